"""Prepared data sets: what a folder of footage holds, shot by shot, and which of it a training run is to see."""
