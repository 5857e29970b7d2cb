"""Recipes that go on from a trained model: temporal layers, a motion LoRA, one clip."""
