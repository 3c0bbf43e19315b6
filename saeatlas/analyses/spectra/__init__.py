"""Eigenvalues, power laws and clustering entropy of sets of vectors."""
