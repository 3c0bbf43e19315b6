"""SAEs whose weights are not at hand: names for features that others say something about."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.ingest.models import hooks
from saeatlas.ingest.saes.loaded_sae import named_page
from saeatlas.ingest.saes.store import StoredSae, model_row, write_page
from saeatlas.schema import tables
from saeatlas.schema.database import partitions

SOURCE = "without weights"
MOST = 2**26
"""Features, at most: twice those of the widest SAEs that were trained."""


def store_names(
    connection: sa.Connection,
    *,
    features: int,
    release: str | None = None,
    sae_id: str | None = None,
    model_name: str | None = None,
    hook_name: str | None = None,
    layer: int | None = None,
    site: hooks.Region | None = None,
    neuronpedia_id: str | None = None,
) -> StoredSae:
    """Write an SAE without weights; the same again changes nothing.

    Writes one row of ``sae``, a row of ``feature`` for each feature, without vectors, and, for a
    model not seen before, one row of ``model``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    features : int
        Number of features.
    release, sae_id : str, optional
        Its name. Default: the model; layer, site and number of features.
    model_name, hook_name, layer, site, neuronpedia_id
        As in table ``sae``, as far as they are known.

    Returns
    -------
    StoredSae

    Raises
    ------
    InputError
        It has no features or too many, nothing names it, the hook is in another layer, or
        `neuronpedia_id` is no page's name.
    NameTaken
        The catalog has another SAE of this name.
    """
    if not 0 < features <= MOST:
        raise errors.InputError(f"--features {features} is not a number from 1 to {MOST:,}.")
    layer, site = hooks.place_of(hook_name, layer, site)
    parts = [f"layer_{layer}", *([site] if site else []), str(features)]
    default = None if layer is None else "_".join(parts)
    row: dict[str, Any] = {
        "release": release or model_name, "sae_id": sae_id or default, "hook_name": hook_name,
        "layer": layer, "site": site, "d_sae": features,
        "neuronpedia_id": named_page(neuronpedia_id), "config": {}, "source": SOURCE,
    }  # fmt: skip
    if not (row["release"] and row["sae_id"]):
        raise errors.InputError(
            "An SAE without weights needs a name.",
            hint="Give --model and --layer, or --release and --sae-id.",
        )
    number = _insert(connection, row)
    if number is None:
        return _same(connection, row)
    if model_name:
        model = model_row(connection, model_name)
        of = tables.sae.c.id == number
        connection.execute(sa.update(tables.sae).where(of).values(model=model))
    with partitions.filling(connection, tables.feature, number) as part:
        every = sa.select(sa.literal(number), sa.func.generate_series(0, features - 1))
        connection.execute(sa.insert(part).from_select(["sae", "feature"], every))
    return StoredSae(number, row["release"], row["sae_id"], features, None, created=True)


def _insert(connection: sa.Connection, row: dict[str, Any]) -> int | None:
    """Write the row of the SAE; return its number, None if its name is taken."""
    new = insert(tables.sae).values(row).on_conflict_do_nothing().returning(tables.sae.c.id)
    number: int | None = connection.execute(new).scalar_one_or_none()
    return number


def _same(connection: sa.Connection, row: dict[str, Any]) -> StoredSae:
    """Find the SAE of this name, if it is the same as far as both are known."""
    c = tables.sae.c
    named = (c.release == row["release"], c.sae_id == row["sae_id"])
    found = connection.execute(sa.select(tables.sae).where(*named)).one()
    for column in ("d_sae", "layer", "site", "hook_name"):
        there, said = getattr(found, column), row[column]
        if said is not None and there != said:
            raise errors.NameTaken(
                f"The catalog has another SAE under the name {found.release}/{found.sae_id}.",
                available=f"Its {column} is {there}, not {said}.",
                hint="Give this one another name (--release, --sae-id), or `saeatlas remove sae "
                f"{found.id}` first.",
            )
    page = write_page(connection, found.id, row["neuronpedia_id"])
    return StoredSae(
        found.id, found.release, found.sae_id, found.d_sae, found.d_in, created=False, new_page=page
    )
