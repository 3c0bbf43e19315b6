"""Decoder vectors: lobes' centres, a power-law spectrum, and crystals among them."""

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from saeatlas.ingest.simulation.features import NO_LOBE, Features
from saeatlas.ingest.simulation.params import Params

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

F = TypeVar("F", Float32, Float64)

STEP = 1.0
"""Length of b - a, and in a parallelogram of d - c; the points themselves have length 1."""

SHORTEST, LONGEST = 0.5, 0.8
"""Length of a trapezoid's shorter side over its longer one."""

NOISE = 0.1
"""Length of what is added to each point of a crystal."""

DISTRACTED = 0.5
"""Share of a crystal point's squared length that lies along the distractors."""

_PART, _CRYSTALS_PART = 1, 2
_ROWS = 4_096


@dataclass(frozen=True)
class Crystal:
    """Four features with b - a parallel to d - c.

    Parameters
    ----------
    kind : {'parallelogram', 'trapezoid'}
    function_vector : int
        Direction that both sides follow, from 0.
    a, b, c, d : int
        Features at the corners.
    """

    kind: Literal["parallelogram", "trapezoid"]
    function_vector: int
    a: int
    b: int
    c: int
    d: int


@dataclass(frozen=True)
class Decoder:
    """All decoder vectors, and the crystals planted among them.

    Parameters
    ----------
    vectors : ndarray of shape (n_features, d_model), float32
        Of unit length.
    crystals : tuple of Crystal
        Parallelograms first.
    distractors : ndarray of shape (d_model, n_distractors), float64
        Orthonormal directions that crystal points were shifted along.
    """

    vectors: Float32
    crystals: tuple[Crystal, ...]
    distractors: Float64


def draw_decoder(params: Params, features: Features) -> Decoder:
    """Draw unit vectors whose covariance has a power-law spectrum, then plant the crystals.

    A vector is ``geometry * centre of its lobe + z``, normalised: centres and z are Gaussian with
    eigenvalues rank**-exponent along the axes, scaled to unit length on average. Dead features
    have no centre.

    Parameters
    ----------
    params : Params
    features : Features

    Returns
    -------
    Decoder

    Notes
    -----
    The features of crystals are placed without regard to lobes, so they dilute the geometry
    where crystals are many.
    """
    rng = params.generator(_PART)
    scale = axis_scale(params)
    centres = np.zeros((params.lobes + 1, params.d_model), np.float32)  # the last: of no lobe
    centres[:NO_LOBE] = _unit(_gaussian(rng, params.lobes, scale))
    vectors = _gaussian(rng, params.features, scale)
    for first in range(0, params.features, _ROWS):
        rows = slice(first, first + _ROWS)  # a few at a time: the whole matrix is in memory once
        vectors[rows] = _unit(vectors[rows] + params.geometry * centres[features.lobe[rows]])
    crystals, distractors = _plant_crystals(params, features, vectors)
    return Decoder(vectors, crystals, distractors)


def axis_scale(params: Params) -> Float32:
    """Return each axis' standard deviation: squares fall as rank**-exponent and sum to 1.

    Parameters
    ----------
    params : Params

    Returns
    -------
    ndarray of shape (d_model,), float32
    """
    eigenvalues = np.arange(1, params.d_model + 1, dtype=np.float64) ** -params.spectrum_exponent
    scale: Float32 = np.sqrt(eigenvalues / eigenvalues.sum()).astype(np.float32)
    return scale


def _plant_crystals(
    params: Params, features: Features, vectors: Float32
) -> tuple[tuple[Crystal, ...], Float64]:
    """Move four features a crystal to their corners."""
    rng = params.generator(_CRYSTALS_PART)
    distractors = np.linalg.qr(rng.standard_normal((params.d_model, params.distractors)))[0]
    n = params.n_crystals
    if not n:
        return (), distractors
    live = np.flatnonzero(features.lobe != NO_LOBE)
    corners = rng.permutation(live)[: 4 * n].reshape(n, 4)
    which = np.arange(n) % params.function_vectors
    points = _corners(params, rng, distractors, which)
    vectors[corners.reshape(-1)] = points.reshape(4 * n, -1)
    kinds: list[Literal["parallelogram", "trapezoid"]] = ["parallelogram"] * params.parallelograms
    kinds += ["trapezoid"] * params.trapezoids
    crystals = tuple(
        Crystal(kind, int(number), *map(int, corner))
        for kind, number, corner in zip(kinds, which, corners, strict=True)
    )
    return crystals, distractors


def _corners(
    params: Params, rng: np.random.Generator, distractors: Float64, which: npt.NDArray[np.int64]
) -> Float64:
    """Place a, b, c, d of every crystal.

    A side is ``u -+ (length / 2) f`` with u orthogonal to the function vector f and as long as
    makes both ends unit vectors: normalising would otherwise bend b - a by a different amount
    than d - c.

    Returns
    -------
    ndarray of shape (n_crystals, 4, d_model), float64
    """
    scale = axis_scale(params)
    n = len(which)
    directions = _unit(_without(_gaussian(rng, params.function_vectors, scale), distractors))
    f = directions[which][:, None]  # (n, 1, d): the same for both sides
    lengths = _side_lengths(params, rng, n)[:, :, None]  # (n, 2, 1)
    u = _without(_gaussian(rng, 2 * n, scale), distractors).reshape(n, 2, -1)
    u = _unit(u - (u * f).sum(-1, keepdims=True) * f) * np.sqrt(1 - (lengths / 2) ** 2)
    half = lengths / 2 * f
    points: Float64 = np.stack([u - half, u + half], axis=2).reshape(
        n, 4, -1
    )  # (n, side and end, d)
    points = _unit(points + NOISE * _gaussian(rng, 4 * n, scale).reshape(points.shape))
    return _distracted(rng, points, distractors)


def _side_lengths(params: Params, rng: np.random.Generator, n: int) -> Float64:
    """Return the lengths of b - a and d - c, of shape (n, 2)."""
    lengths = np.full((n, 2), STEP)
    shorter = rng.integers(2, size=n)
    ratio = rng.uniform(SHORTEST, LONGEST, n)
    trapezoid = np.arange(n) >= params.parallelograms
    lengths[trapezoid, shorter[trapezoid]] *= ratio[trapezoid]
    return lengths


def _distracted(rng: np.random.Generator, points: Float64, distractors: Float64) -> Float64:
    """Shift points along the distractors, all equally far, so that all shrink by the same."""
    n_distractors = distractors.shape[1]
    if not n_distractors:
        return points
    shift = _unit(rng.standard_normal((*points.shape[:2], n_distractors))) @ distractors.T
    clean = _unit(_without(points, distractors))
    shifted: Float64 = np.sqrt(1 - DISTRACTED) * clean + np.sqrt(DISTRACTED) * shift
    return shifted


def _gaussian(rng: np.random.Generator, n: int, scale: Float32) -> Float32:
    drawn = rng.standard_normal((n, len(scale)), dtype=np.float32)
    drawn *= scale
    return drawn


def _unit(rows: F) -> F:
    unit: F = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit


def _without(rows: Float32 | Float64, directions: Float64) -> Float64:
    """Project orthonormal directions out."""
    rest: Float64 = rows - (rows @ directions) @ directions.T
    return rest
