"""Sums of decoder vectors, made by the database, and the SAEs that may be compared with them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC

from saeatlas.catalog.language import named_saes, nodes, operands
from saeatlas.catalog.language.names import Sae
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import Expression, SelectBuilder, view, whole
from saeatlas.schema.rows import saes
from saeatlas.wording import counted


def resolved(builder: SelectBuilder, near: nodes.Near) -> list[Sae]:
    """Find the SAE of each feature of a sum.

    Parameters
    ----------
    builder : SelectBuilder
    near : Near

    Returns
    -------
    list of Sae
        One a term, all of one model and width.

    Raises
    ------
    QueryError
        They cannot be added, or nothing remains but rounding.
    """
    saes = [builder.feature(node) for _, node in near.terms]
    for sae, (_, node) in zip(saes, near.terms, strict=True):
        _require_weights(sae, node.at)
        if not _alike(sae, saes[0]):
            raise QueryError(node.at, f"{_vectors(sae)} cannot be added to {_theirs(saes[0])}.")
    total: dict[tuple[int, int], int] = {}
    for sae, (sign, node) in zip(saes, near.terms, strict=True):
        total[sae.id, node.number] = total.get((sae.id, node.number), 0) + sign
    if any(total.values()) and builder.names.holds(_remains(near, saes)):
        return saes
    if len(near.terms) == 1:
        raise QueryError(
            near.at, "This decoder vector has length 0: nothing is near to nothing.",
            hint=f"`features of sae {saes[0].id} where decoder_norm = 0` lists all such features.",
        )  # fmt: skip
    raise QueryError(near.at, "These vectors cancel out: nothing is near to nothing.")


def where_to_look(builder: SelectBuilder, near: nodes.Near, like: Sae) -> list[Sae]:
    """Find the SAEs whose vectors are compared with a sum.

    Parameters
    ----------
    builder : SelectBuilder
    near : Near
    like : Sae
        That of the first feature named.

    Returns
    -------
    list of Sae
        Itself, unless ``in`` says otherwise: then all of the same release and site that fit, also
        several of a layer, such as those of different widths or seeds.

    Raises
    ------
    QueryError
        Another width or another model's.
    """
    if not builder.among:
        return [like]
    places = builder.among
    found = named_saes.chosen(builder.names, places)
    at = operands.Place(places[0].at.start, places[-1].at.end)
    fit = [sae for sae in found if _alike(sae, like)]
    if not fit:
        _require_weights(found[0], at)
        raise QueryError(
            at, f"{_vectors(found[0])} cannot be compared with {_theirs(like)}.",
            hint="Vectors are compared within one model, and of one length.",
        )  # fmt: skip
    if len(fit) < len(found):
        other = next(sae for sae in found if sae not in fit)
        builder.notes.append(
            f"left out {counted(len(found) - len(fit), 'SAE')} of another model or length of "
            f"vectors, such as {other}"
        )
    alike = fit
    for same in ("release", "site"):  # of other kinds of SAEs only if there is none of this kind
        fit = [sae for sae in fit if getattr(sae, same) == getattr(like, same)] or fit
    if fit != alike:
        builder.notes.append(f"looked in {', '.join(map(str, fit))}, of the same release and site")
    return fit


def total(near: nodes.Near, saes: Sequence[Sae]) -> Any:
    """Write a sum of decoder vectors, made unit long.

    Parameters
    ----------
    near : Near
    saes : sequence of Sae
        One a term.

    Returns
    -------
    expression

    Notes
    -----
    The length makes no difference to a cosine. But what a function returns lies in memory, where
    a stored vector would be fetched and unpacked again for each row that is compared with it.
    """
    return sa.select(sa.func.l2_normalize(_sum(near, saes)).label("target")).scalar_subquery()


def _sum(near: nodes.Near, saes: Sequence[Sae]) -> Any:
    made: Any = None
    for sae, (sign, node) in zip(saes, near.terms, strict=True):
        vector = _own(sae, node, "decoder")
        made = vector if made is None else made.op("+" if sign > 0 else "-")(vector)
    return made


def _own(sae: Sae, node: operands.Feature, column: str) -> Any:
    """Select a column of one feature."""
    features = view("features", "sae", "feature", column)
    return (
        sa.select(features.c[column])
        .where(features.c.sae == whole(sae.id), features.c.feature == whole(node.number))
        .scalar_subquery()
    )


def _remains(near: nodes.Near, saes: Sequence[Sae]) -> sa.ColumnElement[bool]:
    """Write whether more of a sum remains than rounding leaves."""
    lengths = [
        _own(sae, node, "decoder_norm") for sae, (_, node) in zip(saes, near.terms, strict=True)
    ]
    return sa.func.atlas.remains(_sum(near, saes), sa.func.greatest(*lengths))


def distance(vector: Any, near: nodes.Near, saes: Sequence[Sae]) -> Expression:
    """Write the cosine distance of a vector from a sum: 1 - cosine.

    Parameters
    ----------
    vector : expression
    near : Near
    saes : sequence of Sae

    Returns
    -------
    expression
    """
    made: Expression = vector.op("<=>", return_type=sa.Double())(total(near, saes))
    return made


def cosine(distance: Expression) -> Expression:
    """Write the cosine of a distance: NULL for a vector of length 0, whose distance is NaN.

    Parameters
    ----------
    distance : expression

    Returns
    -------
    expression
    """
    # to PostgreSQL NaN is more than any number: it would meet `cosine > 0.3` and come first
    made: Expression = 1 - sa.func.nullif(distance, sa.literal_column("'NaN'"), type_=sa.Double())
    return made


def candidates(sae: Sae, near: nodes.Near, saes: Sequence[Sae], n: int) -> Any:
    """Write the search of an index for what is near a sum.

    Parameters
    ----------
    sae : Sae
        Whose features are searched.
    near : Near
    saes : sequence of Sae
        One a term.
    n : int
        Candidates.

    Returns
    -------
    sqlalchemy.Select
        Of sae and feature.

    Notes
    -----
    The expressions are those of the index, so that the planner knows them again.
    """
    feature = sa.table(
        "feature", *map(sa.column, ("sae", "feature", "decoder")), schema="atlas"
    ).alias("candidate")  # fmt: skip
    target = total(near, saes)
    assert sae.d_in is not None  # it has an index
    half = HALFVEC(sae.d_in)
    order = sa.cast(sa.func.l2_normalize(feature.c.decoder), half).op("<=>")(sa.cast(target, half))
    return (
        sa.select(feature.c.sae, feature.c.feature)
        .where(feature.c.sae == whole(sae.id))
        .order_by(order)
        .limit(n)
    )


def _require_weights(sae: Sae, at: operands.Place) -> None:
    if sae.d_in is None:
        without = saes.without_weights(sae.id, sae.release, sae.sae_id)
        raise QueryError(at, without.wrong, available=without.available, hint=without.hint)


def _alike(sae: Sae, other: Sae) -> bool:
    return (sae.model, sae.d_in) == (other.model, other.d_in)


def _vectors(sae: Sae) -> str:
    return f"Vectors of {sae}, {sae.d_in} long,"


def _theirs(sae: Sae) -> str:
    return f"those of {sae}, {sae.d_in} long"
