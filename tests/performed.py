"""Analyses run in tests, in one call each."""

from typing import Any

import sqlalchemy as sa

from saeatlas.analyses.counting import cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.run_driver import Outcome, perform
from saeatlas.progress import Report, silent


def count(
    engine: sa.Engine, recording: int = 1, above: float = 1.0, report: Report = silent,
    **options: Any,
) -> Outcome:  # fmt: skip
    """Count co-occurrence: a feature is active above a number, or as `threshold` says."""
    params = counting.Params(recording, **{"threshold": Threshold(above)} | options)
    return perform(engine, cooccurrence.ANALYSIS, params, report)
