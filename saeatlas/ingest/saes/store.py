"""Write SAEs and their features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.ingest.formats import texts
from saeatlas.ingest.saes import encoders
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.database.copy import copy_rows
from saeatlas.wording import counted

if TYPE_CHECKING:
    from saeatlas.ingest.saes.loaded_sae import LoadedSae


@dataclass(frozen=True)
class StoredSae:
    """An SAE in the catalog.

    Parameters
    ----------
    sae : int
        Its number, ``sae.id``.
    release, sae_id : str
        Its name.
    d_sae : int
        Features.
    d_in : int or None
        Width of a decoder vector; None without weights.
    created : bool
        False if the same weights were there already.
    encoder_added : bool, default=False
        Whether its encoder vectors were written just now.
    weights_added : bool, default=False
        Whether it was there without weights, and has them now.
    new_page : str, optional
        Its page on Neuronpedia, if the catalog had another or none until now.
    left_out : tuple of str
        Arrays of its file that are not used.
    """

    sae: int
    release: str
    sae_id: str
    d_sae: int
    d_in: int | None
    created: bool
    encoder_added: bool = False
    weights_added: bool = False
    new_page: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was done, in a line."""
        done = "ingested" if self.created else "already there"
        if self.weights_added:
            done += ", weights added"
        if self.encoder_added:
            done += ", encoder added"
        if self.new_page:
            done += f", page on Neuronpedia now {self.new_page}"
        if not (self.created or self.weights_added or self.encoder_added or self.new_page):
            done += ", unchanged"
        line = f"SAE {self.sae}  {self.release}/{self.sae_id}  {self.size}: {done}"
        if not self.left_out:
            return line
        names = ", ".join(self.left_out[:8]) + (" ..." if len(self.left_out) > 8 else "")
        return f"{line}\nNot used: {names}. The file does not say its activation function."

    @property
    def size(self) -> str:
        """How many features and dimensions it has."""
        of = f" of {counted(self.d_in, 'dimension')}" if self.d_in else " without weights"
        return counted(self.d_sae, "feature") + of


def store_sae(
    connection: sa.Connection, loaded: "LoadedSae", *, encoder: bool = False
) -> StoredSae:
    """Write one SAE and its features; the same weights again change nothing.

    An SAE of this name that was ingested without weights gets them.

    Writes one row of ``sae``, ``d_sae`` rows of ``feature`` (a partition of its own) and, where
    the SAE names a model not seen before, one row of ``model``; with `encoder`, ``d_sae`` rows of
    ``encoder``, for an SAE that was there already too. Such an SAE is given the page on Neuronpedia
    that is known now.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    loaded : LoadedSae
    encoder : bool, default=False
        Keep the encoder vectors too.

    Returns
    -------
    StoredSae

    Raises
    ------
    NameTaken
        Other weights have this release and sae_id, or it was ingested without weights as one of
        another layer or number of features.
    UnsupportedSae
        The encoder of a bare decoder is wanted.
    """
    texts.require_name(loaded.release, "The release", "Give another --release.")
    texts.require_name(loaded.sae_id, "The SAE", "Give another --sae-id.")
    table = tables.sae
    row = _row(loaded)
    number = connection.execute(
        insert(table).values(row).on_conflict_do_nothing().returning(table.c.id)
    ).scalar_one_or_none()
    created = number is not None
    filled, page = False, None
    if number is None:
        found = _named_alike(connection, loaded)
        number = found.id
        filled = found.weights_sha256 is None and _add_weights(connection, number, loaded, row)
        _write_place(connection, number, loaded)
        page = write_page(connection, number, loaded.neuronpedia_id)
    else:
        _fill(connection, number, loaded)
    added = encoder and encoders.store_encoder(connection, number, loaded)
    width = loaded.decoder.shape[1]
    return StoredSae(
        number, loaded.release, loaded.sae_id, loaded.d_sae, width, created, added, filled, page,
        loaded.left_out,
    )  # fmt: skip


def _row(loaded: "LoadedSae") -> dict[str, Any]:
    """Gather the columns of table ``sae``."""
    return {
        "release": loaded.release,
        "sae_id": loaded.sae_id,
        "hook_name": loaded.hook_name,
        "layer": loaded.layer,
        "site": loaded.site,
        "d_in": loaded.decoder.shape[1],
        "d_sae": loaded.d_sae,
        "architecture": loaded.architecture,
        "l0": loaded.l0,
        "explained_variance": loaded.explained_variance,
        "neuronpedia_id": loaded.neuronpedia_id,
        "prepend_bos": loaded.prepend_bos,
        "config": loaded.config,
        "source": loaded.source,
        "weights_sha256": bytes.fromhex(loaded.weights_sha256),
    }


def _fill(connection: sa.Connection, number: int, loaded: "LoadedSae") -> None:
    """Write an SAE's model and features."""
    table = tables.sae
    if loaded.model_name:
        model = model_row(connection, loaded.model_name)
        connection.execute(sa.update(table).where(table.c.id == number).values(model=model))
    with partitions.filling(connection, tables.feature, number) as part:
        columns = ["sae", "feature", "decoder", "decoder_norm", "threshold"]
        copy_rows(connection, part, columns, _features(number, loaded))


def model_row(connection: sa.Connection, name: str, **facts: Any) -> int:
    """Find or make the row of a model; fill in what is newly known.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    name : str
        Hub id or folder.
    **facts
        Columns of ``model``: architecture, n_layers, d_model.

    Returns
    -------
    int
        ``model.id``.
    """
    table = tables.model
    statement = insert(table).values(name=name, **facts)
    statement = statement.on_conflict_do_update(
        index_elements=[table.c.name], set_=facts or {"name": name}
    )
    return int(connection.execute(statement.returning(table.c.id)).scalar_one())


def _named_alike(connection: sa.Connection, loaded: "LoadedSae") -> sa.Row[Any]:
    """Find the SAE of this name, which has the same weights or none."""
    table = tables.sae
    row = connection.execute(
        sa.select(table).where(table.c.release == loaded.release, table.c.sae_id == loaded.sae_id)
    ).one()
    if row.weights_sha256 is not None and row.weights_sha256.hex() != loaded.weights_sha256:
        name = f"{loaded.release}/{loaded.sae_id}"
        raise errors.NameTaken(
            f"The catalog has other weights under the name {name}.",
            available=f"Those came from {row.source}, these from {loaded.source}.",
            hint=f"Give these another name (--release, --sae-id), or `saeatlas remove sae {name}`.",
        )
    for column in ("layer", "site"):
        said, own = getattr(row, column), getattr(loaded, column)
        if said is not None and own is not None and said != own:
            raise errors.NameTaken(
                f"SAE {row.id} ({row.release}/{row.sae_id}) is in the catalog with {column} "
                f"{said}, not {own}.",
                hint=f"Leave out --{column}, or `saeatlas remove sae {row.id}` first.",
            )
    return row


def _add_weights(
    connection: sa.Connection, number: int, loaded: "LoadedSae", values: dict[str, Any]
) -> bool:
    """Give an SAE that was ingested without weights its vectors; return whether it was."""
    c = tables.sae.c
    locked = sa.select(c.weights_sha256, c.d_sae).where(c.id == number)
    found = connection.execute(locked.with_for_update()).one()
    if found.weights_sha256 is not None:
        return False
    if found.d_sae != loaded.d_sae:
        raise errors.NameTaken(
            f"SAE {number} ({loaded.release}/{loaded.sae_id}) was ingested without weights as one "
            f"of {counted(found.d_sae, 'feature')}; these weights have {loaded.d_sae:,}.",
            hint="Give these another name (--release, --sae-id), or `saeatlas remove sae "
            f"{number}` first.",
        )
    known = {name: value for name, value in values.items() if value is not None}
    connection.execute(sa.update(tables.sae).where(c.id == number).values(known))
    partitions.drop(connection, tables.feature, number)
    _fill(connection, number, loaded)
    return True


def _write_place(connection: sa.Connection, number: int, loaded: "LoadedSae") -> None:
    """Write layer and site where they were not known."""
    for name in ("layer", "site"):
        column, said = tables.sae.c[name], getattr(loaded, name)
        if said is not None:
            unknown = (tables.sae.c.id == number, column.is_(None))
            connection.execute(sa.update(tables.sae).where(*unknown).values({name: said}))


def write_page(connection: sa.Connection, number: int, page: str | None) -> str | None:
    """Write the page on Neuronpedia of an SAE that is there.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    number : int
        ``sae.id``.
    page : str or None
        ``model/source``; with None nothing happens.

    Returns
    -------
    str or None
        The page if it is new.
    """
    table = tables.sae
    if page is None:
        return None
    changed = connection.execute(
        sa.update(table)
        .where(table.c.id == number, table.c.neuronpedia_id.is_distinct_from(page))
        .values(neuronpedia_id=page)
    )
    return page if changed.rowcount else None


def _features(number: int, loaded: "LoadedSae") -> Iterator[tuple[Any, ...]]:
    norms = loaded.decoder_norm
    for i, vector in enumerate(loaded.decoder):
        limit = None if loaded.threshold is None else float(loaded.threshold[i])
        yield number, i, vector, float(norms[i]), limit
