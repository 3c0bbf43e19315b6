"""A small language model, its sparse autoencoders and texts: all that a first tour needs."""
