"""Upscaling: networks, tiles, and the stage that runs them over a clip."""
