"""Numbers that users give, checked where they are used, for a command and the Python API alike."""

import math
from typing import SupportsFloat, SupportsIndex

from saeatlas import errors

MOST_SEED = 2**32 - 1
"""Largest seed: scikit-learn takes no larger one."""


def require_whole(option: str, value: object, least: int = 0, most: int = 2**31 - 1) -> None:
    """Refuse what is no whole number in a range.

    Parameters
    ----------
    option : str
        The command's option, for the message: ``--seed``.
    value : object
        None passes: the number is not given.
    least, most : int, default=0, 2**31 - 1
        Smallest and largest.

    Raises
    ------
    InputError
    """
    if value is None:
        return
    if (
        isinstance(value, SupportsIndex)
        and not isinstance(value, bool)
        and least <= int(value) <= most
    ):
        return
    raise errors.InputError(
        f"{option} {_shown(value)} is out of range, or no whole number.",
        hint=f"Give a whole number from {least:,} to {most:,}.",
    )


def require_real(option: str, value: object, least: float, most: float) -> None:
    """Refuse what is no number in a range, as NaN.

    Parameters
    ----------
    option : str
        As for `require_whole`.
    value : object
        None passes: the number is not given.
    least, most : float
        Smallest and largest, both allowed.

    Raises
    ------
    InputError
    """
    if value is None:
        return
    try:
        number = float(value) if isinstance(value, SupportsFloat | SupportsIndex) else math.nan
    except OverflowError:
        number = math.inf
    if isinstance(value, bool) or not (math.isfinite(number) and least <= number <= most):
        raise errors.InputError(
            f"{option} {_shown(value)} is out of range, or no number.",
            hint=f"Give a number from {least:g} to {most:g}."
            if math.isfinite(most)
            else f"Give a number of at least {least:g}.",
        )


def require_seed(seed: object) -> None:
    """Refuse what is no seed of random numbers.

    Parameters
    ----------
    seed : object

    Raises
    ------
    InputError
    """
    require_whole("--seed", seed, 0, MOST_SEED)


def _shown(value: object) -> str:
    try:
        return repr(value)[:60]
    except ValueError:  # a whole number of thousands of digits
        return "of thousands of digits"
