"""A network that looks at a clip and says what it shows: the built-in model's examiner."""
