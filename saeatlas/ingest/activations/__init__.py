"""A model reads a corpus; the maximum activations of each block are stored."""
