"""Tables to answers: what the catalog holds, and SQL over it."""
