"""Known relations of words: one direction each, and what separates them."""
