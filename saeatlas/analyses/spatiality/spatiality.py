"""Are lobes spatial? Whether features that co-occur have similar decoder vectors."""

from dataclasses import asdict, dataclass

import sqlalchemy as sa

from saeatlas.analyses import run_driver
from saeatlas.analyses.lobes import geometry
from saeatlas.analyses.run_driver import Analysis
from saeatlas.analyses.spatiality import inputs as spatiality_inputs
from saeatlas.analyses.spatiality.inputs import Inputs, listed
from saeatlas.analyses.spatiality.null_tests import Scores, Trials
from saeatlas.analyses.spatiality.params import Params
from saeatlas.progress import Report, silent
from saeatlas.schema import tables


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """Statistics of lobes against their nulls.

    Parameters
    ----------
    n : int
        Features tested.
    scores : dict of (str, str) to list of (int, Score)
        By statistic and null: clusterings and their scores.
    """

    n: int
    scores: Scores


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Test whether lobes are related to the geometry of decoder vectors.

    Two statistics. ami: adjusted mutual information of the lobes and of as many clusters of the
    decoder vectors. accuracy: balanced accuracy of logistic regression from a feature's vector to
    its lobe, on features left out. Each against up to four nulls: lobes permuted; permuted among
    features of about the same frequency; clusters of random directions; clusters of Gaussian
    vectors with the decoder's mean and covariance.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional
        Called with each `Progress`.

    Returns
    -------
    Result
        ``quality`` has n_features (tested) and n_left_out (that have a lobe and are not tested).

    Notes
    -----
    Tested are features that have a lobe in every clustering tested and a cluster, so that one
    permutation serves all of them. p_adjusted corrects for the affinities and ks of this run, not
    for two statistics, four nulls, or other runs. A small p says that there is a relation, not that
    it is large: the value says that. See `null_tests.Trials` for what each null asks.

    References
    ----------
    .. [VinhEppsBailey2010] Adjusted mutual information.
    .. [WestfallYoung1993] The adjusted p.
    .. [PhipsonSmyth2010] p-values from permutations.
    .. [Li2025] Preset paper.
    """
    trials = Trials(inputs, params, geometry.cluster_vectors)
    scores = trials.run(report)
    n = len(inputs.rows)
    return Result(
        quality={"n_features": n, "n_left_out": inputs.n_left_out},
        notes=_notes(inputs, params, trials),
        n=n,
        scores=scores,
    )


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write a row of ``lobe_test`` for each clustering, statistic and null."""
    rows = [
        {"run": run, "clustering": clustering, "statistic": statistic, "null_model": null}
        | {"n": result.n}
        | asdict(score)
        for (statistic, null), tested in result.scores.items()
        for clustering, score in tested
    ]
    connection.execute(sa.insert(tables.lobe_test), rows)


ANALYSIS = Analysis(
    name="spatiality",
    what="test of lobes",
    ask="select * from lobe_tests where run = {run}",
    identify=spatiality_inputs.identify,
    read=spatiality_inputs.read,
    compute=compute,
    write=write,
)


def _notes(inputs: Inputs, params: Params, trials: Trials) -> tuple[str, ...]:
    """Say what the reader of the result should know."""
    said = []
    if params.preset == "paper":
        said.append("Preset paper: as published; only p_adjusted corrects for many tests.")
    elif inputs.frequency is None:
        said.append("Frequency null left out: the counts the lobes came from were removed.")
    if inputs.missing:
        said.append(f"Not tested, as geometry has no such k: {listed(inputs.missing)}.")
    small = [each.clustering for each in trials.unclassified]
    if small:
        said.append(f"Not classified, lobes too small, in clusterings: {listed(small)}.")
    return tuple(said)
