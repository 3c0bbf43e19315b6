"""The parameters of a test of spatiality."""

from collections.abc import Sequence
from dataclasses import dataclass

from saeatlas import errors, ranges
from saeatlas.analyses import run_driver
from saeatlas.analyses.run_driver import Preset, target

NULLS = ("permuted", "frequency", "directions", "covariance")
"""Null models, as ``lobe_test`` names them."""

PUBLISHED_TRIALS = 100
"""Draws from either null in the published procedure."""


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which lobes are tested, and against what.

    Parameters
    ----------
    lobes, geometry : int
        ``run.id`` of lobes and of geometry, of the same SAE.
    affinities : sequence of str, optional
    ks : sequence of int, optional
        Only these lobes. Default: all whose k the geometry has too.
    preset : {'default', 'paper'}
        paper: 100 permutations, 100 sets of random directions, one unshuffled split of the
        classifier; `trials` and `vector_trials` are ignored. The published procedure corrects for
        nothing: of its rows read p and z, p_adjusted is ours.
    trials : int, default=1000
        Permutations of either kind, at least 2; of these at most 100 are classified.
    vector_trials : int, default=19
        Sets of random vectors of either kind, 0 or at least 2. With 19 no p is below 0.05.
    classify_up_to : int, default=8
        Largest k whose lobes are classified.
    stratum : int, default=32
        Features of about the same frequency among which the frequency null shuffles. Below a
        thousand features take fewer, as 16: with coarse strata frequency still shows through.
    seed : int, default=0
    cooccurrence : int, optional
        Of a published clustering: ``run.id`` of the count that knows how often its features are
        active. Default: the one over most blocks, if there is one.

    Raises
    ------
    InputError
        Too few trials, or something is negative.
    """

    lobes: int
    geometry: int
    affinities: Sequence[str] = ()
    ks: Sequence[int] = ()
    preset: Preset = "default"
    trials: int = 1000
    vector_trials: int = 19
    classify_up_to: int = 8
    stratum: int = 32
    seed: int = 0
    cooccurrence: int | None = target(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, value in (
            ("--trials", self.trials), ("--vector-trials", self.vector_trials),
            ("--classify-up-to", self.classify_up_to), ("--stratum", self.stratum),
            *(("--k", k) for k in self.ks),
        ):  # fmt: skip
            ranges.require_whole(option, value)
        few = min(self.trials, self.stratum) < 2 or self.vector_trials == 1
        if few:
            raise errors.InputError(
                "A number of trials or --stratum is too small.",
                hint="Give at least 2 --trials and a --stratum of at least 2; --vector-trials may "
                "be 0 or at least 2.",
            )

    def draws(self, *, frequency: bool) -> dict[str, int]:
        """Say how often each null is drawn from.

        Parameters
        ----------
        frequency : bool
            Whether frequencies are known; without them there is no null of that name.

        Returns
        -------
        dict of str to int
            Keys are of `NULLS`.
        """
        if self.preset == "paper":
            return {"permuted": PUBLISHED_TRIALS, "directions": PUBLISHED_TRIALS}
        m = dict(zip(NULLS, [self.trials] * 2 + [self.vector_trials] * 2, strict=True))
        return {name: n for name, n in m.items() if n and (frequency or name != "frequency")}
