"""A pixel U-Net from scratch (Ho et al. 2022, "Video Diffusion Models"), drawn by the studio's `unet3d` family."""
