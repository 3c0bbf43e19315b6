"""Jobs that are stopped while they run."""

from collections.abc import Callable

from saeatlas.progress import Progress, Report


class Stopped(Exception):
    """A job was stopped by its test."""


def at(n: int) -> Report:
    """Stop a job at its n-th report, counted from 1."""
    return doing(n, _stop)


def doing(n: int, what: Callable[[], object]) -> Report:
    """Do something at a job's n-th report, counted from 1, while the job waits."""
    steps: list[Progress] = []

    def report(step: Progress) -> None:
        steps.append(step)
        if len(steps) == n:
            what()

    return report


def _stop() -> None:
    raise Stopped
