"""Media in and out: probe, read, store and write clips with PyAV. No torch here, and no sound is ever decoded whole."""
