"""The built-in text-to-video model: VAE, text encoder, U-Net, then motion, trained from scratch on two CPU cores."""
