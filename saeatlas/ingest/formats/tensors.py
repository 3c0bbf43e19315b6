"""Tensors of .safetensors files."""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import arrays, files
from saeatlas.ingest.formats.files import FETCH
from saeatlas.messages import first_lines

if TYPE_CHECKING:
    import torch

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
        Read it inside `understood`.

    Raises
    ------
    BadFile
        It is no such file, or is cut off.
    """
    from safetensors import safe_open

    size = files.require_content(path)
    with files.understood(path), path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise errors.BadFile(
            f"{path.name} cannot be read as safetensors: its header is said to have {length:,} "
            f"bytes, and the file has {size:,}.",
            hint=FETCH,
        )
    with understood(path):
        opened = safe_open(path, framework=framework)
    with opened as tensors:
        yield tensors


@contextmanager
def understood(path: Path) -> Iterator[None]:
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
        raise files.denied(path, error) from error
    except Exception as error:  # SafetensorError, and what numpy or torch raise at odd types
        raise errors.BadFile(
            f"{path.name} cannot be read as safetensors.",
            available=f"Reading it says: {first_lines(error, 2).rstrip('.')}.",
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
    with open_tensors(path) as file, understood(path):
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
        Numbers of half precision or less as float32.

    Raises
    ------
    BadFile
    """
    with open_tensors(path, "pt") as file, understood(path):
        there = file.keys()
        wanted = there if names is None else [name for name in names if name in there]
        return {name: in_numpy(file.get_tensor(name)) for name in wanted}


def read_checkpoint(path: Path) -> Any:
    """Read what torch saved, without unpickling anything but tensors and plain containers.

    Parameters
    ----------
    path : Path
        A .pt file.

    Returns
    -------
    object

    Raises
    ------
    BadFile
        Its parts are compressed, as torch never does, or a tensor is sparse, quantized, or larger
        than the file.
    RuntimeError, ValueError, EOFError, UnpicklingError
        As torch says that it is no such file, or holds other objects.
    """
    import torch

    size = files.require_content(path)
    if zipfile.is_zipfile(path):
        arrays.require_stored(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, OverflowError, struct.error) as error:
        raise errors.BadFile(
            f"{path.name} cannot be read as what torch.save writes.", hint=FETCH
        ) from error
    for tensor in _tensors_in(content):
        if tensor.layout != torch.strided or tensor.is_quantized:
            kind = "quantized" if tensor.is_quantized else "sparse"
            raise errors.BadFile(
                f"{path.name} holds a {kind} tensor of shape {tuple(tensor.shape)}; dense ones are "
                "read.",
                hint=f"Save {'.dequantize()' if tensor.is_quantized else '.to_dense()'} of it.",
            )
        if tensor.numel() * tensor.element_size() > size:  # one number may stand for many
            raise errors.BadFile(
                f"{path.name} holds a tensor of shape {tuple(tensor.shape)}, larger than the file.",
                hint="Save tensors after .contiguous().clone().",
            )
    return content


def _tensors_in(content: Any, depth: int = 5) -> "Iterator[torch.Tensor]":
    import torch

    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, dict) and depth:
        for inner in content.values():
            yield from _tensors_in(inner, depth - 1)


def in_numpy(tensor: "torch.Tensor") -> npt.NDArray[np.generic]:
    """Turn a tensor into an array.

    Parameters
    ----------
    tensor : torch.Tensor

    Returns
    -------
    ndarray
        Of float32 where numpy has no such type, and where it has half precision.
    """
    narrow = tensor.is_floating_point() and tensor.element_size() < 4
    array: npt.NDArray[np.generic] = (tensor.float() if narrow else tensor).detach().numpy()
    return array
