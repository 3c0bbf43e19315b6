"""From files, models and corpora to tables."""
