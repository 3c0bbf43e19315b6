"""Activations computed elsewhere: Parquet, CSV and Delphi's caches."""

from saeatlas.ingest.tables.job import Ingested, ingest_table

__all__ = ["Ingested", "ingest_table"]
