"""The rows of SAEs, by number or by any of their names."""

import shlex
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables


def read(connection: sa.Connection, sae: int, *, lock: bool = False) -> sa.Row[Any]:
    """Read the row of an SAE.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    lock : bool, default=False
        Lock its row until the caller commits: nobody removes it or locks it meanwhile.

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
    if lock:
        query = query.with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise errors.UnknownName(
            f"There is no SAE {sae}.", hint="`saeatlas status` lists what is in the catalog."
        )
    return row


def weights(row: sa.Row[Any]) -> str:
    """Return the hash of an SAE's weights, for what needs its vectors.

    Parameters
    ----------
    row : sqlalchemy.Row
        Of ``sae``.

    Returns
    -------
    str
        Hexadecimal.

    Raises
    ------
    WithoutWeights
        It was ingested without them.
    """
    if row.weights_sha256 is None:
        raise without_weights(row.id, row.release, row.sae_id)
    digest: str = row.weights_sha256.hex()
    return digest


def without_weights(sae: int, release: str, sae_id: str) -> errors.WithoutWeights:
    """Return the error about an SAE that has no vectors.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    release, sae_id : str
        Its name.

    Returns
    -------
    WithoutWeights
    """
    name = shlex.join(["--release", release, "--sae-id", sae_id])
    return errors.WithoutWeights(
        f"SAE {sae} ({release}/{sae_id}) was ingested without weights: it has no vectors.",
        available="Labels, activations, clusterings, maps and attributes of its features can be "
        "used.",
        hint=f"Add the weights: `saeatlas ingest sae --path FOLDER {name}`",
    )


def find_saes(connection: sa.Connection, names: Sequence[str]) -> list[sa.Row[Any]]:
    """Find SAEs by number, ``sae_id``, ``release/sae_id``, or all of a ``release``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    names : sequence of str
        As given to ``--sae``.

    Returns
    -------
    list of sqlalchemy.Row
        Rows of ``sae``, each once, in the order named.

    Raises
    ------
    UnknownName
        A name that fits nothing, or a ``sae_id`` that several releases have.
    """
    found: dict[int, sa.Row[Any]] = {}
    for name in names:
        for row in _named(connection, name):
            found.setdefault(row.id, row)
    return list(found.values())


def find_one(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """Find an SAE by any of the names of `find`.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    name : str
        A release too, if it has one SAE.

    Returns
    -------
    sqlalchemy.Row
        Of ``sae``.

    Raises
    ------
    UnknownName
        A name that fits nothing, or several.
    """
    rows = find_saes(connection, [name])
    if len(rows) > 1:
        raise errors.UnknownName(
            f"{name!r} names {len(rows)} SAEs.",
            available="They are: "
            + ", ".join(f"{row.id} ({row.release}/{row.sae_id})" for row in rows)
            + ".",
            hint="Give one by its number.",
        )
    return rows[0]


def _named(connection: sa.Connection, name: str) -> Sequence[sa.Row[Any]]:
    table = tables.sae
    full = table.c.release + "/" + table.c.sae_id
    ordered = sa.select(table).order_by(table.c.layer, table.c.id)
    exact = connection.execute(
        ordered.where(sa.or_(sa.cast(table.c.id, sa.Text) == name, full == name))
    ).all()
    release = exact or connection.execute(ordered.where(table.c.release == name)).all()
    rows = release or connection.execute(ordered.where(table.c.sae_id == name)).all()
    if len(rows) > 1 and (exact or not release):
        called = (f"{row.id} ({row.sae_id} of {row.release})" for row in rows)
        raise errors.UnknownName(
            f"Several SAEs are called {name!r}.",
            available="They are: " + ", ".join(called) + ".",
            hint="Name the release too, or give the number.",
        )
    if not rows:
        known = connection.execute(sa.select(full)).scalars().all()
        raise errors.UnknownName(
            f"There is no SAE {name!r} in the catalog.",
            available=errors.nearest(name, known),
            hint="Bring it in with `saeatlas ingest sae`; `saeatlas status` lists what is there.",
        )
    return rows
