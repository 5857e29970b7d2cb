"""The library's diffusion upscaler (Stable Diffusion x4) on clips."""
