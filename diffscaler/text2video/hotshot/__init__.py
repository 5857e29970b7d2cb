"""Hotshot-XL and AnimateDiff-SDXL: an SDXL U-Net with temporal layers, on diffusers' UNetMotionModel."""
