"""Names of affinities. They stand here alone, without an import: commands start quickly."""

AFFINITIES = ("phi", "jaccard", "dice", "overlap", "simple_matching")
"""Measures of how much two features go together, as the SQL functions are named: lobes' own."""

MEASURES = (*AFFINITIES, "lift", "pmi")
"""All of them."""

GEOMETRY = "angular"
"""The affinity of decoder vectors: 1 - angle / pi."""
