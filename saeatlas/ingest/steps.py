"""How far an ingest of words or tokens has come."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A step of a job, or its end.

    Parameters
    ----------
    stage : str
        What is being done; ``done`` at the end.
    done, total : int, default=0
        Steps of the stage.
    summary : str, default=''
        At the end, what was done, in a few lines.
    """

    stage: str
    done: int = 0
    total: int = 0
    summary: str = ""
