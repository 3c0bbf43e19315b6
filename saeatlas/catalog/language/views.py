"""Selects the rows of one view: what kinds of rows without a builder of their own share."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import defaults, nodes, operands
from saeatlas.catalog.language.conditions import Special, condition
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import Expression, SelectBuilder


def select_rows(builder: SelectBuilder) -> sa.Select[Any]:
    """Make the statement of a kind that has no clauses of its own.

    Parameters
    ----------
    builder : SelectBuilder

    Returns
    -------
    sqlalchemy.Select
    """
    keep_to_saes(builder)
    return finish(builder)


def keep_to_saes(builder: SelectBuilder) -> None:
    """Keep to the rows of the SAEs that ``of`` or ``in`` names, if any.

    Parameters
    ----------
    builder : SelectBuilder
    """
    if builder.listed is not None:
        builder.restrict("sae", (sae.id for sae in builder.listed))


def keep_to_sae_of(builder: SelectBuilder, node: operands.Feature) -> None:
    """Keep to the rows of the SAE of a feature.

    Parameters
    ----------
    builder : SelectBuilder
    node : Feature

    Raises
    ------
    QueryError
        ``in`` names other SAEs.
    """
    sae = builder.feature(node)
    if builder.among and sae not in (builder.listed or []):
        raise QueryError(builder.among[0].at, "The feature is of another SAE.",
                         available=f"It is of {sae}.")  # fmt: skip
    builder.restrict("sae", [sae.id])


def finish(
    builder: SelectBuilder, *, numbers: Sequence[str] = ("run", "recording", "corpus")
) -> sa.Select[Any]:
    """Add what ``in run`` and the like, ``where`` and ``order by`` say, and make the statement.

    Parameters
    ----------
    builder : SelectBuilder
    numbers : sequence of str
        Columns that ``in run 5`` and the like restrict.

    Returns
    -------
    sqlalchemy.Select
    """
    for name in numbers:
        defaults.keep_to(builder, name)
    if builder.query.where is not None:
        builder.conditions.append(condition(builder, builder.query.where, no_such(builder)))
    return builder.select()


def no_such(builder: SelectBuilder) -> Special:
    """Make the function that refuses conditions which a kind of rows does not have.

    Parameters
    ----------
    builder : SelectBuilder

    Returns
    -------
    callable
    """

    def refuse(node: nodes.InLobe | nodes.Fires | nodes.Active) -> Expression:
        raise QueryError(
            node.at, f"{builder.kind.name.capitalize()} have no such condition.",
            hint="Lobes and document types are conditions on features; activity is a condition on "
            "blocks.",
        )  # fmt: skip

    return refuse
