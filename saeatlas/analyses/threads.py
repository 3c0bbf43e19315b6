"""Run a job for many items, one thread per core."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

_T = TypeVar("_T")
_S = TypeVar("_S")


def each(job: Callable[[_T], _S], items: Iterable[_T]) -> list[_S]:
    """Do the same to each item, as many at once as there are cores.

    Parameters
    ----------
    job : callable
        Of NumPy's functions for the most part, which let other threads work.
    items : iterable

    Returns
    -------
    list
        What job returns, in the items' order.

    Notes
    -----
    Products of matrices in NumPy use one core meanwhile, see `alone`.
    """
    with alone(), ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(job, items))


def alone() -> AbstractContextManager[object]:
    """Let each product of matrices use one core only, in the whole process.

    Threads that share a small product wait for the slowest each time, and go on waiting, at full
    speed, after it.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def cores() -> int:
    """Count the cores."""
    return os.cpu_count() or 1
