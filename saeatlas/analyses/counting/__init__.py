"""Count in how many blocks features are active together, inside the database."""
