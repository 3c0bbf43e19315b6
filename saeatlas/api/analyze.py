"""Analyses from Python."""

from dataclasses import dataclass

import sqlalchemy as sa


@dataclass(frozen=True)
class Analyze:
    """Runs analyses on a catalog.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    engine: sa.Engine
