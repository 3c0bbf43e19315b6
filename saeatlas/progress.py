"""How far a job has come: what every long job reports while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar


@dataclass(frozen=True)
class Progress:
    """A step of a job.

    Parameters
    ----------
    stage : str
        What is being done, in a few words.
    done : int
        Steps of the stage that are done.
    total : int or None
        Steps of the stage; None if not known.
    rate : str, default=''
        How fast it goes, as ``1,200 tokens/s``, where the job measures it.
    """

    stage: str
    done: int = 0
    total: int | None = None
    rate: str = ""


Report: TypeAlias = Callable[[Progress], object]
"""What a job calls at each step. An exception from it stops the job: nothing half-done is kept."""


def silent(_step: Progress) -> None:
    """Report nothing."""


class Summarized(Protocol):
    """What a job returns: it can be printed."""

    @property
    def summary(self) -> str:
        """What was done, in a few lines."""


Done = TypeVar("Done", bound=Summarized)
