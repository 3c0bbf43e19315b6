"""How well decoder vectors predict the lobes of features, for many labellings at once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

from saeatlas.analyses.arrays import Bool, Float32, Float64, Int64

_STEPS = 300
"""Most steps of the optimisation."""

_TOLERANCE = 1e-2
"""It ends when no entry of the gradient exceeds this share of the largest at the start; going on
to 1e-4 changes an accuracy by less than 0.001 and takes more than twice as long."""

LOGITS_AT_ONCE = 8_000_000
"""Features times logits that are computed at once: 32 MB each of a few arrays."""


def balanced_accuracies(
    vectors: Float32,
    labels: Int64,
    k: int,
    *,
    folds: int = 5,
    seed: int = 0,
    C: float = 1.0,
    preset: Literal["default", "paper"] = "default",
) -> Float64:
    """Predict lobes from vectors by logistic regression, and score it on features left out.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Decoder vectors; normalised to unit length; a zero vector stays.
    labels : ndarray of shape (m, n), int
        m labellings of the same n features, from 0 to k - 1.
    k : int
        Lobes.
    folds : int, default=5
        Each fold is predicted by a fit to the others. Folds are stratified by lobe and shuffled.
    seed : int, default=0
        Of the shuffling.
    C : float, default=1.0
        Inverse of the L2 penalty, as in scikit-learn; the intercept is not penalised.
    preset : {'default', 'paper'}
        paper: one split, fitted to the first 80% of features in their order and scored on the rest,
        all features of the same weight, no lobe left out.

    Returns
    -------
    ndarray of shape (m,), float64
        Mean over lobes of the share of their features left out that are predicted rightly; 1 / k is
        chance. Predictions of all folds are pooled. NaN where fewer than two lobes are left.

    Notes
    -----
    Features weigh such that lobes weigh the same in the fit. Lobes with fewer features than folds
    are left out, so that the value may describe fewer than k lobes. With n near d or below, a poor
    value shows too few features rather than that lobes are not spatial.

    All labellings are fitted at once by Nesterov's method, whose steps are products of matrices.
    For two lobes it fits one logit, else k, as scikit-learn does.

    References
    ----------
    .. [Nesterov2004] Section 2.2.
    .. [Li2025] Preset paper.
    """
    problems = [
        problem
        for row, own in enumerate(np.asarray(labels))
        for problem in _problems(row, own, folds, seed, preset)
    ]
    predicted = np.full(np.shape(labels), -1)
    design = _design(vectors)
    step = max(1, LOGITS_AT_ONCE // (len(vectors) * (k if k > 2 else 1)))
    for classes in sorted({len(problem.lobes) for problem in problems}):
        alike = [problem for problem in problems if len(problem.lobes) == classes]
        for first in range(0, len(alike), step):
            part = alike[first : first + step]
            for problem, codes in zip(part, _predict(design, part, classes, C), strict=True):
                predicted[problem.row, problem.test] = problem.lobes[codes[problem.test]]
    return np.array([_score(own, guess) for own, guess in zip(labels, predicted, strict=True)])


@dataclass(frozen=True)
class _Problem:
    """One fit: which labelling, the lobes distinguished, each feature's code and weight, the rest.

    `codes` counts in `lobes`, -1 where a feature's lobe is not among them; `weights` is 0 for
    features that are not fitted to; `test` says which are predicted.
    """

    row: int
    lobes: Int64
    codes: Int64
    weights: Float32
    test: Bool


def _problems(row: int, labels: Int64, folds: int, seed: int, preset: str) -> list[_Problem]:
    """Split one labelling."""
    n = len(labels)
    if preset == "paper":
        train = np.arange(n) < int(0.8 * n)
        return [_problem(row, labels, np.unique(labels[train]), train, ~train, balanced=False)]
    lobes, sizes = np.unique(labels, return_counts=True)
    lobes = lobes[sizes >= folds]
    if len(lobes) < 2:
        return []
    kept = np.flatnonzero(np.isin(labels, lobes))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed).split(kept, labels[kept])
    made = []
    for train, test in split:
        chosen = np.zeros((2, n), bool)
        chosen[0, kept[train]] = chosen[1, kept[test]] = True
        made.append(_problem(row, labels, lobes, *chosen, balanced=True))
    return made


def _problem(
    row: int, labels: Int64, lobes: Int64, train: Bool, test: Bool, *, balanced: bool
) -> _Problem:
    places = np.searchsorted(lobes, labels).clip(max=len(lobes) - 1)
    codes = np.where(lobes[places] == labels, places, -1)
    weights = train.astype(np.float32)
    if balanced:
        sizes = np.bincount(codes[train], minlength=len(lobes))
        weights *= (train.sum() / (len(lobes) * sizes))[codes]
    return _Problem(row, lobes, codes, weights, test)


def _score(labels: Int64, predicted: Int64) -> float:
    """Balanced accuracy of what was predicted; NaN where nothing was."""
    tested = predicted >= 0
    if not tested.any():
        return np.nan
    _, codes = np.unique(labels[tested], return_inverse=True)
    right = np.bincount(codes, labels[tested] == predicted[tested])
    return float((right / np.bincount(codes)).mean())


def _design(vectors: Float32) -> Float32:
    """Make unit vectors and the column of the intercept: (n, d + 1)."""
    x = np.array(vectors, np.float32)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    x /= np.where(lengths > 0, lengths, 1)
    x -= x.mean(0)  # the intercept takes it up: the same model, better conditioned
    # as large as the vectors' largest singular value, so that the intercept moves at their pace
    size = np.sqrt(_curvature(x, np.ones((len(x), 1), np.float32)) / len(x))
    return np.hstack([x, np.broadcast_to(size, (len(x), 1))])


def _curvature(x: Float32, weights: Float32) -> Float32:
    """Estimate the largest eigenvalue of x' diag(w) x for each column w of (n, p), from below."""
    shape = x.shape[1], weights.shape[1]
    v = np.random.default_rng(0).standard_normal(shape, np.float32)
    for _ in range(20):
        v = x.T @ (weights * (x @ (v / np.linalg.norm(v, axis=0))))
    sizes: Float32 = np.linalg.norm(v, axis=0)
    return sizes


def _predict(x: Float32, problems: list[_Problem], classes: int, C: float) -> Int64:
    """Fit every problem at once and predict all features: codes of shape (p, n)."""
    codes = np.stack([problem.codes for problem in problems], 1)
    weights = np.stack([problem.weights for problem in problems], 1)
    logits = classes if classes > 2 else 1
    z = (x @ _fit(x, codes, weights, logits, np.float32(C))).reshape(*codes.shape, logits)
    predicted = z.argmax(2) if logits > 1 else z[..., 0] > 0
    return predicted.T.astype(np.int64)


def _fit(x: Float32, codes: Int64, weights: Float32, logits: int, C: np.float32) -> Float32:
    """Fit coefficients of shape (d + 1, p * logits) to codes and weights of shape (n, p)."""
    shape = (*codes.shape, logits)
    top = C * np.float32(0.6 if logits > 1 else 0.3) * _curvature(x, weights) + 1  # penalty: 1
    top = top.repeat(logits)
    momentum, rate = (np.sqrt(top) - 1) / (np.sqrt(top) + 1), 1 / top
    penalty = np.ones((x.shape[1], 1), np.float32)
    penalty[-1] = 0
    w = before = np.zeros((x.shape[1], len(top)), np.float32)
    enough = np.zeros(len(top), np.float32)
    for step in range(_STEPS):
        ahead = w + momentum * (w - before)
        residuals = _residuals((x @ ahead).reshape(shape), codes, weights)
        slope = C * (x.T @ residuals.reshape(len(x), -1)) + penalty * ahead
        before, w = w, ahead - rate * slope
        if step % 10 == 0:
            steep = np.abs(slope).reshape(len(slope), -1, logits).max((0, 2))
            enough = _TOLERANCE * steep if step == 0 else enough
            if (steep <= enough).all():
                break
    return w


def _residuals(z: Float32, codes: Int64, weights: Float32) -> Float32:
    """Weighted predicted probability minus truth, (n, p, logits); overwrites z (n, p, logits)."""
    if z.shape[2] == 1:
        expit(z, out=z)
        z -= codes[..., None]  # -1 is no code, but weighs nothing
    else:
        z -= z.max(2, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(2, keepdims=True)
        n, p = codes.shape
        z[np.arange(n)[:, None], np.arange(p), codes.clip(0)] -= 1
    z *= weights[..., None]
    return z
