"""Features of an SAE that meet a condition, and their vectors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas.analyses import sql_filters
from saeatlas.analyses.run_driver import Source
from saeatlas.schema.rows import sae_vectors, saes


@dataclass(frozen=True)
class Choice(Source):
    """Features of an SAE whose vectors are analysed.

    Parameters
    ----------
    sae : int
    features : ndarray of shape (n,), int64, or None
        Those that meet a condition, ascending; None for all.
    """

    sae: int
    features: npt.NDArray[np.int64] | None


def choose(connection: sa.Connection, sae: int, condition: str | None) -> Choice:
    """Find an SAE, and the features of it that meet a condition.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Without a transaction that is still wanted.
    sae : int
        ``sae.id``.
    condition : str or None
        SQL on the columns of view ``features``; None for all of them.

    Returns
    -------
    Choice

    Raises
    ------
    UnknownName, InputError
        No such SAE, or no feature meets the condition.
    QueryFailed
        The condition does not run.
    """
    facts: dict[str, Any] = {"sae": sae, "weights": saes.weights(saes.read(connection, sae))}
    features = None
    if condition is not None:
        features = sql_filters.features(connection, sae, condition)
        facts["features"] = features.tolist()
    return Choice({"sae": sae}, facts, sae, features)


def vectors(
    connection: sa.Connection, choice: Choice, kind: sae_vectors.Kind
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Read the vectors of chosen features.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    choice : Choice
    kind : {'decoder', 'encoder'}

    Returns
    -------
    vectors : ndarray of shape (n, d), float32
    features : ndarray of shape (n,), int64
        Feature of each vector, ascending.

    Raises
    ------
    UnknownName
        The SAE has none of this kind.
    """
    every = sae_vectors.read(connection, choice.sae, of=kind)
    if choice.features is None:
        return every, np.arange(len(every))
    return every[choice.features], choice.features
