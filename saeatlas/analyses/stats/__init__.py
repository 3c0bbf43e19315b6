"""Statistics that several analyses use."""
