"""Procedural captioned animated scenes: the data set of the built-in model, drawn from a seed."""
