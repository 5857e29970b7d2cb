"""The `unet3d` family: a 3-D U-Net that draws pixels, trained from scratch on a folder of clips (Ho et al. 2022)."""
