"""Clips that the program draws, whose captions say what the pixels show: moving shapes and moving digits."""
