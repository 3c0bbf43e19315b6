"""Queries, SQL and exports: they read tables."""
