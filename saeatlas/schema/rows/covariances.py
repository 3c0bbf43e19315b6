"""Mean and covariance of an SAE's input activations: summed by chunks, read as a matrix."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect, failures
from saeatlas.schema.database.statements import statement

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Sums over tokens from which mean and covariance follow.

    Parameters
    ----------
    n : int
        Tokens.
    mean : ndarray of shape (d,), float64
    products : ndarray of shape (d, d), float64
        Sum of (x - mean)(x - mean)'. Only the upper triangle, diagonal included, is stored.
    """

    n: int
    mean: Array
    products: Array

    def __add__(self, other: "Moments") -> "Moments":
        """Join the moments of two sets of tokens, without cancellation (Chan et al.)."""
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        apart = other.mean - self.mean  # (d,)
        products = self.products + other.products  # (d, d)
        products += np.outer(apart * (self.n * other.n / n), apart)
        return Moments(n, self.mean + apart * (other.n / n), products)


@dataclass(frozen=True)
class Covariance:
    """Mean and covariance of an SAE's input activations.

    Parameters
    ----------
    n : int
        Tokens it was computed from.
    mean : ndarray of shape (d,), float64
    matrix : ndarray of shape (d, d), float64
        Sample covariance, over n - 1; exactly symmetric.
    """

    n: int
    mean: Array
    matrix: Array


def read(connection: sa.Connection, recording: int) -> Covariance:
    """Read the mean and covariance of the input activations of a recording's SAE.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    recording : int
        ``recording.id``.

    Returns
    -------
    Covariance
        Of the tokens that lie in a block and count for its maxima.

    Raises
    ------
    UnknownName
        There is no such recording, it was begun without ``--covariance``, or it has fewer than
        two tokens.
    """
    found = find_moments(connection, recording)
    if found is None:
        raise _missing(connection, recording)
    if found.n < 2:
        raise errors.UnknownName(
            f"Recording {recording} has {found.n} tokens; a covariance needs two or more.",
            hint="Continue with `saeatlas ingest activations`, the same command as before.",
        )
    return Covariance(found.n, found.mean, found.products / (found.n - 1))


def find_moments(connection: sa.Connection, recording: int) -> Moments | None:
    """Read the sums of a recording.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    recording : int

    Returns
    -------
    Moments or None
        `products` whole, both triangles; None if the recording has none.
    """
    with failures.translated(), connect.raw(connection).cursor(binary=True) as cursor:
        cursor.execute(statement(__name__, "read_covariance"), {"recording": recording})
        row = cursor.fetchone()
    if row is None:
        return None
    n, d, mean, upper = row
    products = np.zeros((d, d))
    if not n:
        return Moments(0, np.zeros(d), products)
    where = _upper(d)
    products[where] = np.frombuffer(upper, "<f8")
    products.T[where] = products[where]
    return Moments(n, np.frombuffer(mean, "<f8").astype(np.float64), products)


def begin(connection: sa.Connection, recording: int, d: int) -> Moments:
    """Write the row of ``activation_covariance`` that a recording's sums go into.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    recording, d : int
        ``recording.id``, and the width of its SAE's input.

    Returns
    -------
    Moments
        Of no token.
    """
    row = {"recording": recording, "d": d}
    connection.execute(sa.insert(tables.activation_covariance).values(row))
    return Moments(0, np.zeros(d), np.zeros((d, d)))


def save(connection: sa.Connection, recording: int, total: Moments) -> None:
    """Replace the sums of a recording in ``activation_covariance``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In the transaction that writes the documents which `total` is the first to cover.
    recording : int
    total : Moments
        Of all the recording's documents, at least one token.
    """
    table = tables.activation_covariance
    upper = total.products[_upper(len(total.mean))]
    connection.execute(
        sa.update(table)
        .where(table.c.recording == recording)
        .values(
            n_tokens=total.n,
            mean=total.mean.astype("<f8").tobytes(),
            products=upper.astype("<f8", copy=False).tobytes(),
        )
    )


def _upper(d: int) -> npt.NDArray[np.bool_]:
    """Mark the upper triangle; what it picks comes row by row."""
    return np.tri(d, dtype=bool).T


def _missing(connection: sa.Connection, recording: int) -> errors.UnknownName:
    table = tables.recording
    row = connection.execute(sa.select(table).where(table.c.id == recording)).one_or_none()
    if row is None:
        return errors.UnknownName(
            f"There is no recording {recording}.",
            hint="`saeatlas status` lists what is in the catalog.",
        )
    if row.model_sha256 is None:  # read from a table, or simulated
        return errors.UnknownName(
            f"Recording {recording} was ingested from a file, so it has no covariance.",
            hint=f"Record SAE {row.sae} with `saeatlas ingest activations --covariance`.",
        )
    return errors.UnknownName(
        f"Recording {recording} was begun without --covariance.",
        available="A covariance covers every document of a recording: it cannot be added "
        "afterwards.",
        hint=f"`saeatlas remove recording {recording}`, then run the same `saeatlas ingest "
        "activations` again with --covariance.",
    )
