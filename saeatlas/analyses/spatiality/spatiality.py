"""Are lobes spatial? Whether features that go together lie together, beyond chance."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.progress import Progress
from saeatlas.analyses.spatiality import inputs as spatiality_inputs
from saeatlas.analyses.spatiality.inputs import Inputs, listed
from saeatlas.analyses.spatiality.null_tests import Plan, Preset, Trials, World
from saeatlas.schema import tables
from saeatlas.schema.rows import runs


def test(
    engine: sa.Engine,
    lobes_run: int,
    geometry_run: int,
    *,
    affinities: Sequence[str] = (),
    ks: Sequence[int] = (),
    preset: Preset = "default",
    trials: int = 1000,
    vector_trials: int = 19,
    classify_up_to: int = 8,
    stratum: int = 32,
    seed: int = 0,
) -> Iterator[Progress]:
    """Test whether lobes are related to the geometry of decoder vectors.

    Two statistics. ami: adjusted mutual information of the lobes and of as many clusters of the
    decoder vectors. accuracy: balanced accuracy of logistic regression from a feature's vector to
    its lobe, on features left out. Each against up to four nulls: lobes permuted; permuted among
    features of about the same frequency; clusters of random directions; clusters of Gaussian
    vectors with the decoder's mean and covariance.

    Writes in one transaction a row of ``run`` ('spatiality', ``input_run`` the run of lobes) and
    one of ``lobe_test`` for each clustering, statistic and null. A test that was made before is
    found, not made again.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    lobes_run, geometry_run : int
        ``run.id`` of lobes and of geometry, of the same SAE.
    affinities : sequence of str, optional
    ks : sequence of int, optional
        Only these lobes. Default: all whose k the geometry has too.
    preset : {'default', 'paper'}
        paper: 100 permutations, 100 clouds of random directions, one unshuffled split of the
        classifier; `trials` and `vector_trials` are not asked. The published procedure corrects
        for nothing: of its rows read p and z, p_adjusted is ours.
    trials : int, default=1000
        Permutations of either kind, at least 2; of these at most 100 are classified.
    vector_trials : int, default=19
        Clouds of either kind, 0 or at least 2. With 19 no p is below 0.05.
    classify_up_to : int, default=8
        Largest k whose lobes are classified.
    stratum : int, default=32
        Features of about the same frequency among which the frequency null shuffles. Below a
        thousand features take fewer, as 16: with coarse strata frequency still shows through.
    seed : int, default=0

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError
        No such runs, runs of two SAEs, no k in common, or fewer than ten features in common; or
        the lobes are removed meanwhile.
    CatalogBusy
        Another process makes the same test.

    Notes
    -----
    Tested are features that have a lobe in every clustering tested and a cluster, so that one
    permutation serves all of them. p_adjusted corrects for the affinities and ks of this run, not
    for two statistics, four nulls, or runs made besides. A small p says that there is a relation,
    not that it is large: that says the value. See `lobe_trials.Trials` for what a null asks.

    References
    ----------
    Vinh, Epps and Bailey, "Information Theoretic Measures for Clusterings Comparison", JMLR 11,
    2010.
    Westfall and Young, "Resampling-Based Multiple Testing", Wiley, 1993.
    Phipson and Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in
    Genetics and Molecular Biology 9(1), 2010.
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025: the preset paper.
    """
    began = time.perf_counter()
    few = min(trials, stratum) < 2 or vector_trials == 1
    if few or min(vector_trials, classify_up_to, seed) < 0:
        raise errors.InputError(
            "There are too few trials, or something is negative.",
            hint="Ask for at least 2 trials and strata of 2, and for 0 or at least 2 trials of "
            "vectors.",
        )
    plan = Plan(preset, trials, vector_trials, classify_up_to, stratum, seed)
    with engine.connect() as connection:
        inputs = spatiality_inputs.read(connection, lobes_run, geometry_run, affinities, ks)
        job = Job(engine, inputs, plan)
    with runs.claimed(engine, "spatiality", "test of lobes", job.key) as found:
        number, created = found, found is None
        notes: tuple[str, ...] = ()
        if number is None:
            with engine.connect() as connection:
                world = spatiality_inputs.world(connection, inputs)
            yield from job.run(world)
            number, notes = job.publish(time.perf_counter() - began), job.notes
    ask = f'saeatlas sql "select * from lobe_tests where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask, notes)


class Job:
    """One test that may not be in the catalog yet.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    inputs : Inputs
    plan : Plan
    """

    def __init__(self, engine: sa.Engine, inputs: Inputs, plan: Plan) -> None:
        from saeatlas.analyses.lobes.geometry import cluster_vectors

        self.engine, self.inputs, self.plan, self.cluster = engine, inputs, plan, cluster_vectors
        nulls = plan.draws(frequency=inputs.frequencies is not None)
        self.params = asdict(plan) | {
            "lobes": inputs.run.id,
            "geometry": inputs.geometry_run,
            "affinities": sorted({each.affinity for each in inputs.lobes}),
            "ks": sorted({each.k for each in inputs.lobes}),
            "nulls": nulls,
        }
        tested = [each.clustering for each in inputs.lobes]
        self.key = runs.input_hash(clusterings=tested, **self.params)

    def run(self, world: World) -> Iterator[Progress]:
        """Draw from every null."""
        began, last = time.perf_counter(), ""
        self.n = len(world.rows)
        self.trials = Trials(world, self.plan, self.cluster)
        for null, done, total in self.trials.steps():
            if null != last:
                began, last = time.perf_counter(), null
            yield Progress(null, done, total, time.perf_counter() - began)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the result should know."""
        said = []
        if self.plan.preset == "paper":
            said.append("Preset paper: as published; only p_adjusted corrects for many tests.")
        elif self.inputs.frequencies is None:
            said.append("Frequency null left out: the counts the lobes came from were removed.")
        if self.inputs.missing:
            said.append(f"Not tested, as geometry has no such k: {listed(self.inputs.missing)}.")
        small = [each.clustering for each in self.trials.unclassified]
        if small:
            said.append(f"Not classified, lobes too small, in clusterings: {listed(small)}.")
        return tuple(said)

    def publish(self, seconds: float) -> int:
        """Write the run and its rows at once."""
        most = max(len(each.features) for each in self.inputs.lobes)
        quality = {
            "n_features": self.n,
            "n_left_out": most - self.n,
            "notes": self.notes,
            "seconds": round(seconds, 3),
        }
        columns = {
            "sae": self.inputs.run.sae,
            "recording": self.inputs.run.recording,
            "input_run": self.inputs.run.id,
            "preset": self.plan.preset,
            "seed": self.plan.seed,
            "started_at": sa.func.clock_timestamp() - timedelta(seconds=seconds),
        }
        try:
            with self.engine.begin() as connection:
                number = runs.create(
                    connection,
                    "spatiality",
                    self.key,
                    params=self.params,
                    quality=quality,
                    **columns,
                )
                connection.execute(sa.insert(tables.lobe_test), self._rows(number))
        except sa.exc.IntegrityError as error:
            raise errors.UnknownName(f"Run {self.inputs.run.id} was removed meanwhile.") from error
        return number

    def _rows(self, number: int) -> list[dict[str, Any]]:
        return [
            {
                "run": number,
                "clustering": clustering,
                "statistic": statistic,
                "null_model": null,
                "n": self.n,
            }
            | asdict(score)
            for (statistic, null), tested in self.trials.scores.items()
            for clustering, score in tested
        ]
