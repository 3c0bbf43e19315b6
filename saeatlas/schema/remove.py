"""Take an SAE, a recording or a corpus out of the catalog, with all that hangs on it."""

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import partitions, tables


def remove_recording(connection: sa.Connection, recording: int) -> None:
    """Remove a recording and its activations; its corpus stays for other SAEs.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    recording : int
        ``recording.id``.

    Raises
    ------
    UnknownName
    """
    _require(connection, tables.recording, recording)
    partitions.drop(connection, tables.activation, recording)
    connection.execute(sa.delete(tables.recording).where(tables.recording.c.id == recording))


def remove_sae(connection: sa.Connection, sae: int) -> None:
    """Remove an SAE, its features and its recordings.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    sae : int
        ``sae.id``.

    Raises
    ------
    UnknownName
    """
    _require(connection, tables.sae, sae)
    for recording in _recordings(connection, tables.recording.c.sae == sae):
        remove_recording(connection, recording)
    partitions.drop(connection, tables.feature, sae)
    connection.execute(sa.delete(tables.sae).where(tables.sae.c.id == sae))


def remove_corpus(connection: sa.Connection, corpus: int) -> None:
    """Remove a corpus, its documents, blocks and recordings.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    corpus : int
        ``corpus.id``.

    Raises
    ------
    UnknownName
    """
    _require(connection, tables.corpus, corpus)
    for recording in _recordings(connection, tables.recording.c.corpus == corpus):
        remove_recording(connection, recording)
    connection.execute(sa.delete(tables.corpus).where(tables.corpus.c.id == corpus))


def _recordings(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[int]:
    return list(connection.execute(sa.select(tables.recording.c.id).where(where)).scalars())


def _require(connection: sa.Connection, table: sa.Table, number: int) -> None:
    known = connection.execute(sa.select(table.c.id).order_by(table.c.id)).scalars().all()
    if number not in known:
        shown = ", ".join(map(str, known)) or "none"
        raise errors.UnknownName(
            f"There is no {table.name} {number}.",
            exists=f"There is: {shown}.",
            mend="`saeatlas status` lists what is in the catalog.",
        )
