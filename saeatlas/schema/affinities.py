"""Names of affinities, without imports, so that commands start quickly."""

AFFINITIES = ("phi", "jaccard", "dice", "overlap", "simple_matching")
"""Measures of how strongly two features co-occur, as the SQL functions are named: lobes' own."""

MEASURES = (*AFFINITIES, "lift", "pmi")
"""All of them."""

ANGULAR = "angular"
"""The affinity of decoder vectors: 1 - angle / pi."""
