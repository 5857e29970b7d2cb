"""Training and measuring the preview upscaler; the network itself is in diffscaler/upscale/network.py."""
