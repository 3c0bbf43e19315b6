"""Parameters of a simulation, and which of them contradict one another."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from saeatlas import errors, ranges

MAX_DENSITY = 0.95
"""No feature is meant to be active in a larger share of blocks."""

ACTIVE_SHARE = 1_090 / 16_384
"""Default share of features active in a block: Gemma Scope's, width 16k, blocks of 256 tokens."""

TYPES_A_LOBE = 3

MAX_WIDTH = 16_000
"""Most dimensions of a pgvector vector."""

_WHOLE = {
    "features": (1, 2**24),
    "d_model": (1, MAX_WIDTH),
    "lobes": (1, None),
    "blocks_per_document": (1, 2**10),
    "subsets": (1, None),
    "parallelograms": (0, None),
    "trapezoids": (0, None),
    "function_vectors": (1, None),
    "distractors": (0, None),
    "seed": (0, None),
}
_REAL = {
    "active": (0, None),
    "preference": (0, 1),
    "geometry": (0, 1),
    "density_exponent": (0, 10),
    "spectrum_exponent": (0, 10),
    "dead": (0, 1),
}


@dataclass(frozen=True)
class Params:
    """Params of a simulation; how many blocks are drawn is not one of them.

    Parameters
    ----------
    features : int, default=1024
        Features of the SAE, dead ones included.
    d_model : int, default=128
        Width of a decoder vector.
    lobes : int, default=3
        Lobes planted, of equal size.
    active : float, optional
        Mean number of active features per block. Default: 1,090 in 16,384.
    blocks_per_document : int, default=3
    subsets : int, optional
        Document types; type s prefers lobe s mod `lobes`. Default: three a lobe.
    preference : float, default=0.5
        How much a document's lobe decides, in [0, 1]. 0: all features are independent; 1: but
        for the densest, features are active in documents of their own lobe only.
    geometry : float, default=0.2
        Length of the lobe's centre in a decoder vector, the rest being 1; in [0, 1]. 0: the
        vectors do not know the lobes.
    density_exponent : float, default=1.0
        Densities fall as rank**-exponent, in [0, 10].
    spectrum_exponent : float, default=0.4
        Eigenvalues of the decoder vectors' covariance fall as rank**-exponent, in [0, 10].
        0: isotropic.
    parallelograms, trapezoids : int, default=20, 10
        Crystals planted.
    function_vectors : int, default=5
        Directions that the crystals share.
    distractors : int, default=0
        Global directions along which the crystals' points are shifted, by more than the
        function vectors are long.
    dead : float, default=0.02
        Share of features that are never active, in [0, 1).
    seed : int, default=0

    Raises
    ------
    InputError
        Values out of range, or that contradict one another.
    """

    features: int = 1_024
    d_model: int = 128
    lobes: int = 3
    active: float | None = None
    blocks_per_document: int = 3
    subsets: int | None = None
    preference: float = 0.5
    geometry: float = 0.2
    density_exponent: float = 1.0
    spectrum_exponent: float = 0.4
    parallelograms: int = 20
    trapezoids: int = 10
    function_vectors: int = 5
    distractors: int = 0
    dead: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in (_WHOLE | _REAL).items():
            _require_range(name, getattr(self, name), low, high)
        self._require_features()
        self._require_crystals()

    def _require_features(self) -> None:
        if self.n_live < self.lobes:
            raise errors.InputError(
                f"{self.lobes:,} lobes cannot be planted in {self.n_live:,} live features.",
                available=f"{self.n_dead:,} of {self.features:,} features are dead.",
                hint="Choose fewer --lobes, more --features or a smaller --dead.",
            )
        most = MAX_DENSITY * self.n_live
        if not 0 < self.mean_active <= most:
            raise errors.InputError(
                f"{self.mean_active:,.10g} active features per block cannot be planted.",
                available=f"{self.n_live:,} features are live, each in at most {MAX_DENSITY:.0%} "
                "of the blocks.",
                hint=f"Choose --active above 0 and at most {most:,.10g}.",
            )

    def _require_crystals(self) -> None:
        if 4 * self.n_crystals > self.n_live:
            raise errors.InputError(
                f"{self.n_crystals:,} crystals need {4 * self.n_crystals:,} live features.",
                available=f"There are {self.n_live:,}, and none is in two crystals.",
                hint="Choose fewer --parallelograms and --trapezoids, or more --features.",
            )
        if self.n_crystals and self.d_model < self.distractors + 3:
            raise errors.InputError(
                f"{self.d_model} dimensions have no room for crystals beside "
                f"{self.distractors} distractors.",
                available=f"They need at least {self.distractors + 3}.",
                hint="Choose a larger --d-model, fewer --distractors, or --parallelograms 0 "
                "--trapezoids 0.",
            )
        if self.distractors and not self.n_crystals:
            raise errors.InputError(
                "--distractors shift the points of crystals, and there is no crystal.",
                hint="Plant --parallelograms or --trapezoids, or leave --distractors out.",
            )

    @property
    def mean_active(self) -> float:
        """Mean number of active features per block."""
        return self.features * ACTIVE_SHARE if self.active is None else float(self.active)

    @property
    def n_subsets(self) -> int:
        """Number of document types."""
        return TYPES_A_LOBE * self.lobes if self.subsets is None else self.subsets

    @property
    def n_dead(self) -> int:
        """Number of features that are never active."""
        return round(self.dead * self.features)

    @property
    def n_live(self) -> int:
        """Number of all other features."""
        return self.features - self.n_dead

    @property
    def n_crystals(self) -> int:
        """Number of parallelograms and trapezoids."""
        return self.parallelograms + self.trapezoids

    def config(self) -> dict[str, Any]:
        """Return all params as JSON, defaults filled in: what ``sae.config`` keeps.

        Returns
        -------
        dict
        """
        filled = {"active": self.mean_active, "subsets": self.n_subsets}
        return {"simulated": True} | asdict(self) | filled

    def generator(self, *part: int) -> np.random.Generator:
        """Return the generator of one part of the simulation, independent of all others.

        Parameters
        ----------
        *part : int
            Key of the part.

        Returns
        -------
        numpy.random.Generator
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=part))


def _require_range(name: str, value: float | None, low: float, high: float | None) -> None:
    option = f"--{name.replace('_', '-')}"
    if name == "seed":
        ranges.require_seed(value)
    elif name in _WHOLE:
        ranges.require_whole(option, value, int(low), 2**31 - 1 if high is None else int(high))
    else:
        ranges.require_real(option, value, low, 2**31 if high is None else high)
