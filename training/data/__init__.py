"""Data for training: reading folders as people keep them, cutting them into shots, scoring those, drawing new ones."""
