"""Types of arrays by what they hold, and how an undefined number is stored."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Int64: TypeAlias = npt.NDArray[np.int64]
Bool: TypeAlias = npt.NDArray[np.bool_]


def or_null(value: float) -> float | None:
    """Return a number as a column takes it: NaN, which is undefined, as NULL."""
    return None if np.isnan(value) else float(value)
