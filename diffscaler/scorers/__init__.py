"""Networks that say what a picture is worth to a data set: how well words fit it, how much people like it."""
