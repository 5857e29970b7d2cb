"""The built-in diffusion pair: one small video U-Net, for larger frames (SSR) and for more of them (TSR)."""
