"""Features as points of a plane or of space."""
