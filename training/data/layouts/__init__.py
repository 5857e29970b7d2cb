"""How people keep captioned clips: one reader for each layout, each passing over what it cannot use with a reason."""
