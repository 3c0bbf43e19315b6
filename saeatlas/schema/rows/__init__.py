"""Rows written and read: runs, SAEs, vectors, counts, clusterings."""
