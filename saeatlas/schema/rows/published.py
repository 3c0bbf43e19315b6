"""Clusterings that came from files: what analyses of them need besides."""

from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables


def is_published(run: sa.Row[Any]) -> bool:
    """Tell whether a run's rows came from a file.

    Parameters
    ----------
    run : sqlalchemy.Row
        Of ``run``.

    Returns
    -------
    bool
    """
    return "file_sha256" in run.params


def count_for(
    connection: sa.Connection, run: sa.Row[Any], wanted: int | None, *, recorded: bool = False
) -> sa.Row[Any] | None:
    """Find the count of co-occurrence that knows how often a published clustering's features occur.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : sqlalchemy.Row
        Of ``run``: lobes.
    wanted : int or None
        ``run.id`` of the count. None: the one over most blocks, the newest of these.
    recorded : bool, default=False
        Whether it must be of a recording.

    Returns
    -------
    sqlalchemy.Row or None
        Of ``run``; None if no count is there and none is wanted.

    Raises
    ------
    InputError
        The wanted one is none of the SAE, or the lobes come from a count of their own.
    """
    table = tables.run
    if not is_published(run):
        if wanted is not None and wanted != run.input_run:
            raise errors.InputError(
                f"--cooccurrence {wanted} is for published clusterings; the lobes of run {run.id} "
                "come from a count of their own.",
                hint="Leave out --cooccurrence.",
            )
        return None
    theirs = (table.c.analysis == "cooccurrence", table.c.sae == run.sae)
    kept = table.c.recording.is_not(None) if recorded else sa.true()
    n_blocks = table.c.quality["n_blocks"].as_integer()
    query = sa.select(table).where(*theirs, kept).order_by(n_blocks.desc(), table.c.id.desc())
    found = connection.execute(query).all()
    if wanted is None:
        return found[0] if found else None
    for row in found:
        if row.id == wanted:
            return row
    known = ", ".join(str(row.id) for row in found) or "none"
    of = " of a recording" if recorded else ""
    raise errors.InputError(
        f"Run {wanted} is no count of the co-occurrence of SAE {run.sae}{of}.",
        available=f"Available: {known}.",
        hint="`saeatlas analyze cooccurrence --recording RECORDING` makes one.",
    )
