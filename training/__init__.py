"""Training: the code that made the built-in model and the preview upscaler, and that fine-tunes them."""
