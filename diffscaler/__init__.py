"""DiffScaler's engine: text to video, face swap and upscaling, usable from a script; it knows nothing of the page."""

__version__ = "0.1.0"
