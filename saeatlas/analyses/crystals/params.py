"""Parameters of crystals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saeatlas import errors, ranges
from saeatlas.analyses import run_driver
from saeatlas.analyses.crystals import parallelograms
from saeatlas.analyses.run_driver import target

ATTRIBUTES = ("log_density", "position", "top_token_length")
"""Measured attributes of features."""

MIN_COSINE = 0.6
"""Smallest cosine of sides and legs; unrelated differences with a point in common have 0.5."""


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which crystals are searched for, and how.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    features_where : str, optional
        SQL condition on the columns of view ``features``.
    neighbours : int
        Nearest neighbours that each feature is paired with.
    min_cosine : float
        Smallest cosine of sides and of legs, in (0, 1).
    fdr : float
        Largest false discovery rate, in (0, 1).
    recording : int, optional
        In which densities and positions are measured. Default: the newest of the SAE.
    attributes : sequence of {'log_density', 'position', 'top_token_length'}
        Attributes whose directions are projected out, where they are known.
    words : str, optional
        Space of word vectors, by name or number, whose relations are searched for among the
        features. Default: function vectors are found among the differences of features.
    keep_distractors : bool
        Compare the vectors themselves: nothing is whitened or projected out.
    seed : int

    Raises
    ------
    InputError
        A number is out of its range, or a parameter has no effect together with the others.
    UnknownName
        There is no such attribute.
    """

    sae: int = target()
    features_where: str | None = None
    neighbours: int = parallelograms.NEIGHBOURS
    min_cosine: float = MIN_COSINE
    fdr: float = 0.05
    recording: int | None = None
    attributes: Sequence[str] = ATTRIBUTES
    words: str | None = None
    keep_distractors: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges.require_whole("--neighbours", self.neighbours, 1)
        for name, value in (("--min-cosine", self.min_cosine), ("--fdr", self.fdr)):
            if not 0 < value < 1:
                raise errors.InputError(f"{name} {value} is not between 0 and 1.")
        if self.keep_distractors and self.words is not None:
            raise errors.InputError(
                "Words are compared with features after whitening: distractors cannot be kept.",
                hint="Leave out --keep-distractors, or the given relations.",
            )
        if self.keep_distractors:
            self.refuse(
                "with --keep-distractors no attribute is projected out",
                recording="--recording", attributes="--attribute",
            )  # fmt: skip
        unknown = sorted(set(self.attributes) - set(ATTRIBUTES))
        if unknown:
            raise errors.UnknownName(
                f"There is no attribute {unknown[0]!r}.",
                available=f"Available: {', '.join(ATTRIBUTES)}.",
            )

    @property
    def stored(self) -> dict[str, Any]:
        """As the run keeps them: the set of attributes sorted."""
        return super().stored | {"attributes": sorted(set(self.attributes))}
