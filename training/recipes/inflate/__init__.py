"""A video model out of an image model, drawn by the studio's `modelscope` family.

Singer et al. 2022, "Make-A-Video"; Blattmann et al. 2023, "Align your Latents".
"""
