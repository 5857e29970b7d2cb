"""What makes of a frame a picture that a ControlNet was taught to read: depth, and people as skeletons."""
