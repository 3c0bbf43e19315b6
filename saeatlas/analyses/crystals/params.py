"""What crystals are asked for."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from saeatlas import errors
from saeatlas.analyses.crystals import parallelograms

ATTRIBUTES = ("log_density", "position", "top_token_length")
"""What is measured of features."""

LEAST = 0.6
"""Least cosine of sides and legs; differences of unrelated points with one in common have 0.5."""


@dataclass(frozen=True)
class Terms:
    """What crystals are sought, and how.

    Parameters
    ----------
    features_where : str, optional
        SQL condition on the columns of view ``features``.
    neighbours : int
        Nearest neighbours that a feature is paired with.
    least : float
        Least cosine of sides and of legs, in (0, 1).
    rate : float
        Largest false discovery rate, in (0, 1].
    recording : int, optional
        In which densities and positions are measured. Default: the newest of the SAE.
    attributes : sequence of {'log_density', 'position', 'top_token_length'}
        Of which the directions are projected out, where they are known.
    words : str, optional
        Space of words whose relations are given, by name or number. Default: function vectors are
        found among the differences of features.
    keep_distractors : bool
        Compare vectors as they are: nothing is whitened or projected out.
    seed : int
    """

    features_where: str | None = None
    neighbours: int = parallelograms.NEIGHBOURS
    least: float = LEAST
    rate: float = 0.05
    recording: int | None = None
    attributes: Sequence[str] = ATTRIBUTES
    words: str | None = None
    keep_distractors: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("--least", self.least), ("--rate", self.rate)):
            if not 0 < value < 1:
                raise errors.InputError(f"{name} {value} is not between 0 and 1.")
        if self.keep_distractors and self.words is not None:
            raise errors.InputError(
                "Words are compared with features after whitening: distractors cannot be kept.",
                hint="Leave out --keep-distractors, or the given relations.",
            )
        unknown = sorted(set(self.attributes) - set(ATTRIBUTES))
        if unknown:
            raise errors.UnknownName(
                f"There is no attribute {unknown[0]!r}.",
                available=f"There is: {', '.join(ATTRIBUTES)}.",
            )

    @property
    def params(self) -> dict[str, Any]:
        """As the run keeps them."""
        params = asdict(self) | {"attributes": sorted(set(self.attributes))}
        del params["seed"]
        return params
