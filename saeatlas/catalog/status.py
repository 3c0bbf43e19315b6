"""What is in the catalog: SAEs, corpora, recordings, and the room they take."""

from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from saeatlas.schema import connect
from saeatlas.schema.statements import statement


@dataclass(frozen=True)
class Status:
    """What the catalog holds.

    Parameters
    ----------
    database : str
        Its URL, without password.
    server : str
        Version of PostgreSQL and pgvector.
    size : int
        Bytes on the server's disk.
    saes, corpora, recordings, runs : pandas.DataFrame
        One row each; subsets of a corpus are listed in its row.
    """

    database: str
    server: str
    size: int
    saes: pd.DataFrame
    corpora: pd.DataFrame
    recordings: pd.DataFrame
    runs: pd.DataFrame


def read_status(engine: sa.Engine) -> Status:
    """Look at what the catalog holds.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Returns
    -------
    Status
    """
    with engine.connect() as connection:
        server, size = connection.execute(
            sa.text(statement("status_server", "saeatlas.catalog"))
        ).one()
        frames = [
            pd.read_sql(sa.text(statement(f"status_{part}", "saeatlas.catalog")), connection)
            for part in ("saes", "corpora", "recordings", "runs")
        ]
    return Status(connect.shown(engine.url), server, size, *frames)
