"""Face swapping: find faces, follow them through a clip, put another face on them."""
