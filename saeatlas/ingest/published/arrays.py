"""Arrays as columns: a value, or some values, for each feature."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import arrays, files

VALUES = 1 << 23
"""Values of an array, at most: as lists they take half a GB."""

_BYTES = 1 << 28


def read_columns(path: Path, d_sae: int) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Read a .npy or .npz file as columns.

    Parameters
    ----------
    path : Path
        .npy: an array of shape (d_sae,) or (d_sae, m). .npz: such arrays; or arrays of n rows with
        ``feature`` of shape (n,).
    d_sae : int

    Returns
    -------
    values : dict of str to list
        By the array's name; columns of an array of two axes as ``points_0``. Of a .npy file the
        name is ``value``.
    left_out : dict of str to str
        Arrays of other shapes, and which.

    Raises
    ------
    BadFile
        It is damaged, no array has a value for each feature, or ``feature`` has not one axis.
    """
    if path.suffix.lower() == ".npy":
        if files.require_file(path) > _BYTES:
            raise _too_many(path.name, "The array")
        found = {"value": arrays.read_npy(path)}
        return _columns(path.name, found, d_sae, {})
    with arrays.open_npz(path) as file:
        headers = {name: file.header(name) for name in file.names}
        features = next((name for name in ("feature", "features") if name in headers), None)
        if features and len(headers[features].shape) != 1:
            raise errors.BadFile(
                f"The array {features} in {path.name} has shape {headers[features].shape}.",
                hint="Save the feature of each row: an array of shape (n,).",
            )
        n = headers[features].shape[0] if features else d_sae
        left_out = {
            name: f"shape {header.shape}"
            for name, header in headers.items()
            if not (header.shape[:1] == (n,) and len(header.shape) <= 2)
        }
        for name in headers.keys() - left_out.keys():
            if headers[name].n_bytes > _BYTES:
                raise _too_many(path.name, name)
        found = {
            "feature" if name == features else name: file.read(name)
            for name in headers.keys() - left_out.keys()
        }
    return _columns(path.name, dict(sorted(found.items())), n, left_out)


def _columns(
    file: str, found: dict[str, npt.NDArray[Any]], n: int, left_out: dict[str, str]
) -> tuple[dict[str, list[Any]], dict[str, str]]:
    values = {}
    for name, array in found.items():
        if array.ndim not in (1, 2) or len(array) != n:
            raise _unfit(file, f"The array has shape {array.shape}.", n)
        if array.size > VALUES:
            raise _too_many(file, name)
        kind = array.dtype.kind
        if kind not in "biufU":
            left_out[name] = f"type {array.dtype}"
            continue
        if array.ndim == 1:
            values[name] = array.tolist()
        else:
            for i, column in enumerate(np.ascontiguousarray(array.T)):
                values[f"{name}_{i}"] = column.tolist()
    if not values.keys() - {"feature"}:
        shapes = ", ".join(f"{name} of {what}" for name, what in left_out.items())
        raise _unfit(file, f"It holds {shapes or 'no values'}.", n)
    return values, left_out


def _too_many(file: str, name: str) -> errors.BadFile:
    return errors.BadFile(
        f"{name} in {file} has more than {VALUES:,} values.",
        hint="Save an array with a value, or a few, for each feature.",
    )


def _unfit(file: str, available: str, n: int) -> errors.BadFile:
    return errors.BadFile(
        f"{file} holds no array with a value for each of {n:,} features.",
        available=available,
        hint="Its first axis is that of the features; a .npz file may say which in an array "
        "named feature.",
    )
