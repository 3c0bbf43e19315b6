"""Parallelograms and trapezoids of features, and the function vectors of their sides."""
