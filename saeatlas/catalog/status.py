"""What is in the catalog: SAEs, corpora, recordings, words, runs, and the room they take."""

from dataclasses import dataclass

import sqlalchemy as sa

from saeatlas.catalog.answers import Answer
from saeatlas.schema.database import connect
from saeatlas.schema.database.statements import statement


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
    saes, corpora, recordings, words, runs : Answer
        One row each; subsets of a corpus are listed in its row, words by their spaces.
    """

    database: str
    server: str
    size: int
    saes: Answer
    corpora: Answer
    recordings: Answer
    words: Answer
    runs: Answer


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
        server, size = connection.execute(sa.text(statement(__name__, "server"))).one()
        parts = ("saes", "corpora", "recordings", "words", "runs")
        answers = [_answer(connection, part) for part in parts]
    return Status(connect.shown(engine.url), server, size, *answers)


def _answer(connection: sa.Connection, part: str) -> Answer:
    rows = connection.execute(sa.text(statement(__name__, part)))
    return Answer(tuple(rows.keys()), [tuple(row) for row in rows])
