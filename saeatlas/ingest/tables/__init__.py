"""Activations computed elsewhere: Parquet, CSV and Delphi's caches."""

from saeatlas.ingest.tables.job import TableOutcome, ingest_table

__all__ = ["TableOutcome", "ingest_table"]
