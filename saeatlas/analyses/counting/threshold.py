"""When a feature counts as active in a block: above a number, or above its own threshold."""

from dataclasses import dataclass

import numpy as np

from saeatlas import errors


@dataclass(frozen=True)
class Threshold:
    """When a feature counts as active in a block.

    Parameters
    ----------
    above : float
        Its maximum there is above this, in units of activation; kept as float32.
    relative : bool, default=False
        Each feature's own JumpReLU threshold is added; a sum below 0 counts as 0.

    Raises
    ------
    InputError
        It is not finite, or negative without being relative.
    """

    above: float
    relative: bool = False

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):
            above = float(np.float32(self.above)) + 0.0  # as the catalog has it, and never -0
        if not np.isfinite(above) or (above < 0 and not self.relative):
            raise errors.InputError(
                f"{self.above:g} is no threshold: activations that are not active are 0.",
                hint="Give a number from 0, or one relative to theta, as theta-1.",
            )
        object.__setattr__(self, "above", above)

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """Read a threshold as a user writes it.

        Parameters
        ----------
        text : str
            ``1.0``, ``theta`` or ``theta+1.5``.

        Returns
        -------
        Threshold

        Raises
        ------
        InputError
        """
        head, theta, rest = text.replace(" ", "").partition("theta")
        number = rest if theta else head
        try:
            above = float(number) if number or not theta else 0.0
        except ValueError:
            above = np.nan
        if (head and theta) or not np.isfinite(above):
            raise errors.InputError(
                f"{text!r} is no threshold.", hint="Write 1.0, theta or theta+1.5."
            )
        return cls(above, bool(theta))

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        sign = self.relative
        number = np.format_float_positional(np.float32(self.above), trim="-", sign=sign)
        return f"theta{number}" if self.relative else number
