"""How well decoder vectors predict the lobes of features, for many labellings at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from saeatlas.analyses.arrays import Bool, Float32, Float64, Int64

if TYPE_CHECKING:
    import torch

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
    from sklearn.model_selection import StratifiedKFold

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


def _design(vectors: Float32) -> "torch.Tensor":
    """Make unit vectors and the column of the intercept: (n, d + 1) on the quickest device."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy(np.array(vectors, np.float32)).to(device)
    x = torch.nn.functional.normalize(x, dim=1)
    x -= x.mean(0)  # the intercept takes it up: the same model, better conditioned
    # as large as the vectors' largest singular value, so that the intercept moves at their pace
    size = (_curvature(x, torch.ones(len(x), 1, device=device)) / len(x)).sqrt()
    return torch.cat([x, size.expand(len(x), 1)], 1)


def _curvature(x: "torch.Tensor", weights: "torch.Tensor") -> "torch.Tensor":
    """Estimate the largest eigenvalue of x' diag(w) x for each column w of (n, p), from below."""
    import torch

    start = torch.Generator().manual_seed(0)
    v = torch.randn(x.shape[1], weights.shape[1], generator=start).to(x.device)
    for _ in range(20):
        v = x.T @ (weights * (x @ (v / v.norm(dim=0))))
    size: torch.Tensor = v.norm(dim=0)
    return size


def _predict(x: "torch.Tensor", problems: list[_Problem], classes: int, C: float) -> Int64:
    """Fit every problem at once and predict all features: codes of shape (p, n)."""
    import torch

    codes = torch.from_numpy(np.stack([problem.codes for problem in problems], 1)).to(x.device)
    weights = torch.from_numpy(np.stack([problem.weights for problem in problems], 1)).to(x.device)
    logits = classes if classes > 2 else 1
    shape = (len(x), len(problems), logits)
    top = C * (0.5 if logits > 1 else 0.25) * 1.2 * _curvature(x, weights) + 1
    momentum = ((top.sqrt() - 1) / (top.sqrt() + 1)).repeat_interleave(
        logits
    )  # penalty: at least 1
    rate = (1 / top).repeat_interleave(logits)
    penalty = torch.ones(x.shape[1], 1, device=x.device)
    penalty[-1] = 0
    w = before = torch.zeros(x.shape[1], len(problems) * logits, device=x.device)
    enough = torch.zeros(len(problems), device=x.device)
    for step in range(_STEPS):
        ahead = w + momentum * (w - before)
        wrong = _residuals((x @ ahead).view(shape), codes, weights)
        slope = C * (x.T @ wrong.view(len(x), -1)) + penalty * ahead
        before, w = w, ahead - rate * slope
        if step % 10 == 0:  # asking waits for the device
            steep = slope.abs().view(len(slope), len(problems), logits).amax((0, 2))
            if step == 0:
                enough = _TOLERANCE * steep
            if (steep <= enough).all():
                break
    z = (x @ w).view(shape)
    predicted = z.argmax(2) if logits > 1 else (z[..., 0] > 0).long()
    predicted_codes: Int64 = predicted.T.cpu().numpy()
    return predicted_codes


def _residuals(z: "torch.Tensor", codes: "torch.Tensor", weights: "torch.Tensor") -> "torch.Tensor":
    """Weighted predicted probability less truth, (n, p, logits); overwrites z (n, p, logits)."""
    import torch

    if z.shape[2] == 1:
        z = z.sigmoid_()
        z -= codes[..., None]  # -1 is no code, but weighs nothing
    else:
        z = z.softmax(2)
        z.scatter_add_(2, codes.clamp(min=0)[..., None], -torch.ones_like(z[..., :1]))
    return z.mul_(weights[..., None])
