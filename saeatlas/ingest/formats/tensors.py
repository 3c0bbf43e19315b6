"""Tensors of .safetensors files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import files
from saeatlas.ingest.formats.files import FETCH

_LONGEST_HEADER = 1 << 24


@contextmanager
def open_tensors(path: Path, framework: Literal["pt", "numpy"] = "numpy") -> Iterator[Any]:
    """Open a file; its tensors are read when they are asked for.

    Parameters
    ----------
    path : Path
    framework : {'pt', 'numpy'}, default='numpy'
        Whose tensors are returned; numpy knows no bfloat16.

    Yields
    ------
    safetensors.safe_open
        Read it inside `tensors_understood`.

    Raises
    ------
    BadFile
        It is no such file, or is cut off.
    """
    from safetensors import safe_open

    size = files.require_file(path)
    with files.understood(path), path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise errors.BadFile(
            f"{path.name} cannot be read as safetensors: its header is said to have {length:,} "
            f"bytes, and the file has {size:,}.",
            hint=FETCH,
        )
    with tensors_understood(path):
        opened = safe_open(path, framework=framework)
    with opened as tensors:
        yield tensors


@contextmanager
def tensors_understood(path: Path) -> Iterator[None]:
    """Say in our words what is wrong with a file of tensors.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BadFile
    """
    try:
        yield
    except errors.AtlasError:
        raise
    except PermissionError as error:
        raise errors.BadFile(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Give this user the right to read it (chmod u+r, chown).",
        ) from error
    except Exception as error:  # SafetensorError, and what numpy or torch raise at odd types
        raise errors.BadFile(
            f"{path.name} cannot be read as safetensors.",
            available=f"Reading it says: {error or type(error).__name__}.",
            hint=FETCH,
        ) from error


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read what a file holds, without reading its tensors.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to tuple of int
        Shapes by name.

    Raises
    ------
    BadFile
    """
    with open_tensors(path) as file, tensors_understood(path):
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def read_tensors(
    path: Path, names: Sequence[str] | None = None
) -> dict[str, npt.NDArray[np.generic]]:
    """Read tensors.

    Parameters
    ----------
    path : Path
    names : sequence of str, optional
        Default: all. Names that the file lacks are passed over.

    Returns
    -------
    dict of str to ndarray
        Floating-point numbers as float32.

    Raises
    ------
    BadFile
    """
    with open_tensors(path, "pt") as file, tensors_understood(path):
        there = file.keys()
        wanted = there if names is None else [name for name in names if name in there]
        found = {name: file.get_tensor(name) for name in wanted}
        return {
            name: (one.float() if one.is_floating_point() else one).numpy()
            for name, one in found.items()
        }
