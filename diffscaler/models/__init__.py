"""Models: what exists (catalogue), where it runs (device), and how long it stays in memory (residency)."""
