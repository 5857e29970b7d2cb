"""Trains the diffusion pair (diffscaler/upscale/pair) on drawn scenes."""
