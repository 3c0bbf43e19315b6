"""Analyses run in tests, in one call each."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from saeatlas.analyses.counting import cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes import geometry, lobes
from saeatlas.analyses.lobes.params import Params as LobeParams
from saeatlas.analyses.run_driver import Outcome, perform
from saeatlas.analyses.subsets import subsets
from saeatlas.analyses.subsets.inputs import Params as SubsetsParams
from saeatlas.progress import Progress, Report, silent


def count(
    engine: sa.Engine, recording: int = 1, above: float = 1.0, report: Report = silent,
    **options: Any,
) -> Outcome:  # fmt: skip
    """Count co-occurrence: a feature is active above a number, or as `threshold` says."""
    params = counting.Params(recording, **{"threshold": Threshold(above)} | options)
    return perform(engine, cooccurrence.ANALYSIS, params, report)


def find_lobes(
    engine: sa.Engine, cooccurrence: int, report: Report = silent, **options: Any
) -> Outcome:
    """Find lobes."""
    return perform(engine, lobes.ANALYSIS, LobeParams(cooccurrence, **options), report)


def cluster_vectors(
    engine: sa.Engine, sae: int = 1, report: Report = silent, **options: Any
) -> Outcome:
    """Cluster decoder vectors."""
    return perform(engine, geometry.ANALYSIS, geometry.Params(sae, **options), report)


def once(stage: str, act: Callable[[], object]) -> Report:
    """Do something when a stage that begins so is reported for the first time."""
    seen: list[str] = []

    def report(step: Progress) -> None:
        if step.stage.startswith(stage) and stage not in seen:
            seen.append(stage)
            act()

    return report


def interrupt() -> None:
    """Stop, as ctrl-C does."""
    raise KeyboardInterrupt


def compare_subsets(
    engine: sa.Engine, lobes: int, report: Report = silent, **options: Any
) -> Outcome:
    """Compare lobes and document types."""
    return perform(engine, subsets.ANALYSIS, SubsetsParams(lobes, **options), report)
