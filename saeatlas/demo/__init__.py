"""A small language model, its sparse autoencoders and texts to read: all that a first tour needs."""
