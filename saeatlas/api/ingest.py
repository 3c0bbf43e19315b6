"""Ingestion from Python."""

from dataclasses import dataclass

import sqlalchemy as sa


@dataclass(frozen=True)
class Ingest:
    """Ingests SAEs, activations, tables and labels into a catalog.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    engine: sa.Engine
