"""Parameters of spectra."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from saeatlas import ranges
from saeatlas.analyses import run_driver
from saeatlas.analyses.run_driver import Preset, target

Vectors: TypeAlias = Literal["decoder", "encoder", "activations"]

COMPONENTS = (10, 50, 100, 200)
"""Numbers of principal components for clustering entropy; 100 as published."""

NEIGHBOURS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Nearest neighbours whose distances are measured; 1 as published."""

PUBLISHED_COMPONENTS = 100
"""Number of principal components of the published figures."""


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which vectors are measured, and how.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    source : {'decoder', 'encoder', 'activations'}
        Decoder or encoder vectors of features, or the input activations of the SAE.
    recording : int, optional
        Of activations: ``recording.id``. Default: the newest that has a covariance.
    within : int, optional
        Run of lobes or of geometry: one spectrum for each lobe instead of one for the SAE.
    affinities : sequence of str, optional
        Of ``within``: only clusterings by these affinities.
    ks : sequence of int, optional
        Of ``within``: only clusterings into so many lobes.
    features_where : str, optional
        SQL condition on the columns of view ``features``.
    components : sequence of int
        Numbers of leading principal components for clustering entropy; none for no clustering
        entropy.
    neighbours : sequence of int
        Nearest neighbours whose distances give the clustering entropy.
    trials : int
        Sets of vectors drawn from each null of the spectrum; at least 2.
    preset : {'default', 'paper'}
        paper: the published procedure with its known errors, without nulls and intervals.
    seed : int

    Raises
    ------
    InputError
        A number is out of its range, or a parameter is given that has no effect together with the
        others.
    """

    sae: int = target()
    source: Vectors = "decoder"
    recording: int | None = target(default=None)
    within: int | None = None
    affinities: Sequence[str] = ()
    ks: Sequence[int] = ()
    features_where: str | None = None
    components: Sequence[int] = COMPONENTS
    neighbours: Sequence[int] = NEIGHBOURS
    trials: int = 19
    preset: Preset = "default"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, values, least in (
            ("--components", self.components, 1), ("--neighbours", self.neighbours, 1),
            ("--k", self.ks, 1), ("--trials", [self.trials], 2),
        ):  # fmt: skip
            for value in values:
                ranges.require_whole(option, value, least)
        lobes = {"affinities": "--affinity", "ks": "--k"}
        if self.source == "activations":
            self.refuse(
                "activations are vectors of tokens and not of features, and their covariance is "
                "all that is stored of them",
                within="--within", features_where="--features-where", components="--components",
                neighbours="neighbours", **lobes,
            )  # fmt: skip
        else:
            self.refuse(
                "a recording has no vectors of features; it is for --vectors activations",
                recording="--recording",
            )
        if self.within is None:
            self.refuse("they choose among the clusterings of --within", **lobes)
        if self.preset == "paper":
            self.refuse(
                "the published procedure has 100 components, one neighbour and no null",
                components="--components", neighbours="neighbours", trials="--trials",
            )  # fmt: skip

    @property
    def stored(self) -> dict[str, Any]:
        """As the run keeps them: each set sorted, and what the preset puts in their place."""
        stored = super().stored
        if self.preset == "paper":
            stored |= {"components": [PUBLISHED_COMPONENTS], "neighbours": [1], "trials": 0}
        names = ("affinities", "ks", "components", "neighbours")
        return stored | {name: sorted(set(stored[name])) for name in names}
