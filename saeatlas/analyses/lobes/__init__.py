"""Lobes: spectral clusters of features that are active together, and clusters by angle."""
