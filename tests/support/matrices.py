"""Affinities that are given as a matrix, and matrices with a known answer."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from saeatlas.analyses.lobes.affinities import ByRows

Array = np.ndarray[Any, Any]


class Given(ByRows):
    """A symmetric matrix as it stands, in float32.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
    top : float, default=1.0
    """

    def __init__(self, matrix: Array, top: float = 1.0) -> None:
        self.matrix, self.top = matrix.astype(np.float32), top

    def __len__(self) -> int:
        return len(self.matrix)

    def rows(self) -> Iterator[tuple[slice, Array]]:
        for first in range(0, len(self), 50):
            part = slice(first, min(first + 50, len(self)))
            yield part, self.matrix[part].copy()

    @property
    def degrees(self) -> Array:
        return self.matrix.sum(axis=1, dtype=np.float64)


def unit(vectors: Array) -> Array:
    """Vectors of length 1 in the same directions."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def symmetric(rng: np.random.Generator, n: int) -> Array:
    """Uniform noise with a diagonal of zeros."""
    upper = np.triu(rng.random((n, n)), 1)
    both: Array = upper + upper.T
    return both


def blocks(rng: np.random.Generator, n: int, k: int, between: float = 0.1) -> tuple[Array, Array]:
    """Noise, strong within each of k groups of unequal size, weak between them; and the groups."""
    labels = rng.permutation(np.repeat(np.arange(k), np.arange(k) + n // k)[:n])
    labels = np.concatenate([labels, np.zeros(n - len(labels), int)])
    same = labels[:, None] == labels
    return symmetric(rng, n) * np.where(same, 1.0, between), labels


def dense(affinity: ByRows) -> Array:
    """All rows together."""
    return np.vstack([rows for _, rows in affinity.rows()])
