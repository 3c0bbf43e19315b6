"""Word pairs, word vectors, word frequencies, and the tokens that features promote."""
