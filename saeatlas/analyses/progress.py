"""How far a job has come: what every analysis yields while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A step of a job, or its end.

    Parameters
    ----------
    stage : str
        What is being done; ``done`` at the end.
    done, total : int
        Steps of the stage.
    seconds : float
        Since the stage began; of the whole job at the end.
    run : int or None
        ``run.id`` once it is done.
    created : bool
        Whether it was made now, or found: the same was made before.
    ask : str
        A command that shows the result.
    notes : tuple of str
        What the user should know of it, a sentence each.
    """

    stage: str
    done: int
    total: int
    seconds: float
    run: int | None = None
    created: bool = False
    ask: str = ""
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was done, in a few lines."""
        made = f"made in {self.seconds:,.1f} s" if self.created else "made before, unchanged"
        return "\n".join([f"Run {self.run}: {made}. Ask it: {self.ask}", *self.notes])
