"""The parameters of lobes, and which of them contradict one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saeatlas import errors, ranges
from saeatlas.analyses import run_driver
from saeatlas.analyses.lobes import bilinear
from saeatlas.analyses.lobes.clustering import Assign
from saeatlas.analyses.run_driver import Preset, target
from saeatlas.schema.tables import AFFINITIES

KS = (2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Numbers of clusters, as they were published."""

DEFAULT_SEEDS: dict[Preset, int] = {"default": 0, "paper": 42}
"""Seeds of the presets; 42 is the published procedure's."""


def require_ks(ks: Sequence[int]) -> None:
    """Refuse what are no numbers of lobes.

    Parameters
    ----------
    ks : sequence of int

    Raises
    ------
    InputError
        There is none, or one is below 1.
    """
    below = [k for k in ks if isinstance(k, int) and k < 1]
    if below or not ks:
        raise errors.InputError(
            f"There are no lobes for k = {below[0]}." if below else "No k is given.",
            hint="Choose numbers of lobes that are at least 1.",
        )
    for k in ks:
        ranges.require_whole("--k", k, 1)


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which features are clustered, and how.

    Parameters
    ----------
    cooccurrence : int
        ``run.id`` of the co-occurrence whose features are clustered.
    affinities : sequence of str, optional
        Any of phi, jaccard, dice, overlap, simple_matching. Default: all; with `matrix_free` those
        that it can compute.
    ks : sequence of int
        Numbers of lobes, above 0; those above the number of features are left out, with a note.
    preset : {'default', 'paper'}
        paper: dead features stay, and undefined affinities count as 0, as it was published.
    min_blocks : int
        Features active in fewer blocks get no lobe; the preset paper ignores it.
    seed : int
        Of k-means, and of the eigenvectors' solver.
    assign : {'kmeans', 'cluster_qr'}
        How points of the embedding become lobes.
    matrix_free : bool
        Work from the bits of the blocks and never compute the matrix of all pairs: for more
        features than whose pairs fit in memory. For phi and simple_matching, and not for the preset
        paper.
    halves : bool
        Find lobes from either half of the documents too, and store how far they agree. Counts
        twice more; those counts stay in the catalog.

    Raises
    ------
    InputError
        Values out of range, or that contradict one another.
    """

    cooccurrence: int = target()
    affinities: Sequence[str] = ()
    ks: Sequence[int] = KS
    preset: Preset = "default"
    min_blocks: int = 1
    seed: int = 0
    assign: Assign = "kmeans"
    matrix_free: bool = False
    halves: bool = False

    def __post_init__(self) -> None:
        if not self.affinities:
            usable = bilinear.MEASURES if self.matrix_free else AFFINITIES
            object.__setattr__(self, "affinities", usable)
        super().__post_init__()
        require_ks(self.ks)
        ranges.require_whole("--min-blocks", self.min_blocks, 0)
        unknown = [name for name in self.affinities if name not in AFFINITIES]
        if unknown:
            raise errors.UnknownName(
                f"There is no affinity {unknown[0]!r}.",
                available=f"Available: {', '.join(AFFINITIES)}.",
            )
        if self.matrix_free:
            self._require_bilinear()

    def _require_bilinear(self) -> None:
        others = [name for name in self.affinities if name not in bilinear.MEASURES]
        if others:
            raise errors.InputError(
                f"{', '.join(others)} cannot be clustered without the matrix of all pairs.",
                available=f"--matrix-free can compute: {', '.join(bilinear.MEASURES)}.",
                hint="Name these, as `--affinity phi`, or leave out --matrix-free.",
            )
        if self.preset == "paper":
            raise errors.InputError(
                "The preset paper also clusters dead features, for which --matrix-free cannot "
                "compute phi.",
                hint="Leave out --matrix-free or --preset paper.",
            )

    @property
    def stored(self) -> dict[str, Any]:
        """As ``run.params`` keeps them."""
        params = {
            "affinities": [name for name in AFFINITIES if name in self.affinities],
            "ks": sorted(set(self.ks)),
            "min_blocks": self.min_blocks,
            "assign": self.assign,
            "halves": self.halves,
        }
        # stored only where it is True: older runs, without the choice, stay the same runs
        return params | ({"matrix_free": True} if self.matrix_free else {})
