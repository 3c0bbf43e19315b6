"""The rows of runs: found by the hash of their inputs, and written with their results."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa

import saeatlas
from saeatlas import errors
from saeatlas.schema import tables

KINDS = {
    "cooccurrence": (
        "count of co-occurrence",
        "`saeatlas analyze cooccurrence --recording RECORDING`",
    ),
    "lobes": ("run of lobes", "`saeatlas analyze lobes --cooccurrence RUN`"),
    "geometry": ("clustering by angles", "`saeatlas analyze geometry --sae SAE`"),
    "spatiality": ("test of lobes", "`saeatlas analyze spatiality --lobes RUN --geometry RUN`"),
    "subsets": ("comparison of lobes and document types", "`saeatlas analyze subsets --lobes RUN`"),
    "spectra": ("run of spectra", "`saeatlas analyze spectra --sae SAE`"),
    "crystals": ("run of crystals", "`saeatlas analyze crystals --sae SAE`"),
    "relations": ("run of word relations", "`saeatlas analyze crystals --words SPACE`"),
    "maps": ("map", "`saeatlas analyze maps --sae SAE`"),
    "tokens": ("run of promoted tokens", "`saeatlas ingest tokens --sae SAE --model MODEL`"),
}
"""By ``run.analysis``: what a run is called, and the command that makes one."""


def input_hash(**parts: Any) -> bytes:
    """Hash the inputs and parameters of a run.

    Parameters
    ----------
    **parts
        Values that JSON knows.

    Returns
    -------
    bytes
        SHA-256 of their canonical JSON.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def find(connection: sa.Connection, analysis: str, key: bytes) -> sa.Row[Any] | None:
    """Find the newest run of an analysis with the same inputs and parameters.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    analysis : str
    key : bytes
        Its `input_hash`.

    Returns
    -------
    sqlalchemy.Row or None
        Of ``run``.
    """
    table = tables.run
    query = (
        sa.select(table)
        .where(table.c.analysis == analysis, table.c.input_sha256 == key)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def read(connection: sa.Connection, number: int | None, analysis: str) -> sa.Row[Any]:
    """Read the row of a run of one kind.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    number : int or None
        ``run.id``.
    analysis : str

    Returns
    -------
    sqlalchemy.Row
        Of ``run``.

    Raises
    ------
    UnknownName
        There is no such run of this kind.
    """
    table, ours = tables.run, tables.run.c.analysis == analysis
    row = connection.execute(sa.select(table).where(ours, table.c.id == number)).one_or_none()
    if row is None:
        known = connection.execute(sa.select(table.c.id).where(ours).order_by(table.c.id)).scalars()
        what, command = KINDS[analysis]
        raise errors.UnknownName(
            f"Run {number} is no {what}.",
            available=f"Available: {', '.join(map(str, known)) or 'none'}.",
            hint=f"{command} makes one.",
        )
    return row


def create(connection: sa.Connection, analysis: str, key: bytes, **columns: Any) -> int:
    """Write the row of a run, in the transaction that writes its rows.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    analysis : str
    key : bytes
        Its `input_hash`.
    **columns
        Other columns of ``run``.

    Returns
    -------
    int
        ``run.id``.

    Raises
    ------
    UnknownName
        Its recording, or the run that it reads, was removed meanwhile.
    """
    lock_row(connection, tables.recording, columns.get("recording"))
    lock_row(connection, tables.run, columns.get("input_run"))
    values = columns | {
        "analysis": analysis,
        "input_sha256": key,
        "code_version": saeatlas.__version__,
    }
    insert = sa.insert(tables.run).values(values).returning(tables.run.c.id)
    return int(connection.execute(insert).scalar_one())


def lock_row(connection: sa.Connection, table: sa.Table, number: int | None) -> None:
    """Lock a row until the caller commits, so that nobody removes it.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    table : sqlalchemy.Table
        With a column id.
    number : int or None
        Its id; None for no row.

    Raises
    ------
    UnknownName
        It was removed meanwhile.
    """
    row = (
        sa.select(table.c.id).where(table.c.id == number).with_for_update(read=True, key_share=True)
    )
    if number is not None and connection.execute(row).first() is None:
        raise errors.UnknownName(f"{table.name.capitalize()} {number} was removed meanwhile.")
