"""The row of an SAE."""

from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables


def read(connection: sa.Connection, sae: int, *, hold: bool = False) -> sa.Row[Any]:
    """Read the row of an SAE.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    hold : bool, default=False
        Keep it from being removed, or held by another, until the caller commits.

    Returns
    -------
    sqlalchemy.Row
        Of ``sae``.

    Raises
    ------
    UnknownName
        There is no such SAE.
    """
    query = sa.select(tables.sae).where(tables.sae.c.id == sae)
    if hold:
        query = query.with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise errors.UnknownName(
            f"There is no SAE {sae}.", mend="`saeatlas status` lists what is in the catalog."
        )
    return row
