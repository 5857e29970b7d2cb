"""A decoder that looks along time, out of an image decoder: what it decodes no longer flickers.

Blattmann et al. 2023, "Align your Latents", section 3.1.1; "Stable Video Diffusion", appendix D.
"""
