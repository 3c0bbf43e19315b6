"""Analyses: they read tables and write tables. One folder for each question."""
