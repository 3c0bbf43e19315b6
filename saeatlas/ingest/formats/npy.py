"""One array as numpy writes it: the size its header names is compared before memory is taken."""

import ast
import math
import re
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats.files import FETCH

PIECE = 1 << 22
"""Bytes that are read at once."""

SAVE = "Save it with numpy.save or numpy.savez, as numbers or as text."

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 16
_MOST_AXES = 32
_PICKLED = "They would have to be unpickled, which could run any program."

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Header:
    """What a .npy file says of its array.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    fortran : bool
        Whether the first axis varies fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def n_bytes(self) -> int:
        """Bytes of the array's values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes], label: str, size: int) -> Header:
    """Read the header of an array, and compare what it says with the bytes there are.

    Parameters
    ----------
    file : binary file
        At its beginning.
    label : str
        What it is called in messages.
    size : int
        Its bytes.

    Returns
    -------
    Header

    Raises
    ------
    BadFile
    """
    start = file.read(8)
    if start[:1] == b"\x80":
        raise errors.BadFile(
            f"{label} holds pickled Python objects.", available=_PICKLED, hint=SAVE
        )
    if size < 10:
        raise cut_off(label, 10, size)
    if start[:6] != _MAGIC:
        raise errors.BadFile(
            f"{label} is no array: it does not begin as numpy writes it.",
            available=f"It begins with {start!r}.",
            hint=SAVE,
        )
    width = 2 if start[6:7] == b"\x01" else 4
    length = int.from_bytes(file.read(width), "little")
    if length > _LONGEST_HEADER:
        raise errors.BadFile(f"{label} is said to have a header of {length:,} bytes.", hint=SAVE)
    text = file.read(length)
    found = _parsed(text.decode("latin1"), label)
    n = found.n_bytes
    there = size - 8 - width - length
    if len(text) < length or there < n:
        raise cut_off(label, n, max(there, 0))
    if there > n:
        raise errors.BadFile(
            f"{label} goes on after its array: {there:,} bytes, of which its header names {n:,}.",
            hint="Save one array in a file.",
        )
    return found


def _parsed(text: str, label: str) -> Header:
    try:
        said = ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text.strip()))  # 7L: of Python 2
        shape, fortran, kind = said["shape"], said["fortran_order"], said["descr"]
        plain = isinstance(kind, str) and "," not in kind and "(" not in kind
        dtype = np.dtype(kind if plain else "V1")
        right = (
            isinstance(shape, tuple)
            and len(shape) <= _MOST_AXES
            and all(type(n) is int and 0 <= n < 2**63 for n in shape)
            and isinstance(fortran, bool)
        )
    except (ValueError, TypeError, SyntaxError, LookupError, MemoryError, RecursionError) as error:
        raise errors.BadFile(
            f"The header of {label} cannot be read.",
            available=f"It begins with {text[:60]!r}.",
            hint=SAVE,
        ) from error
    if dtype.kind in "OV":
        what = "pickled Python objects" if dtype.kind == "O" else f"{kind!r:.80}"
        raise errors.BadFile(
            f"{label} holds {what}, neither numbers nor text.",
            available=_PICKLED if dtype.kind == "O" else None,
            hint=SAVE,
        )
    if not right or not dtype.itemsize:
        raise errors.BadFile(
            f"{label} is said to have shape {shape!r:.80} and type {kind!r:.80}.", hint=SAVE
        )
    return Header(shape, dtype, fortran)


def read_values(file: IO[bytes], header: Header, label: str) -> Array:
    """Read the values of an array.

    Parameters
    ----------
    file : binary file
        After its header.
    header : Header
    label : str
        What it is called in messages.

    Returns
    -------
    ndarray

    Raises
    ------
    BadFile
    """
    try:
        flat = np.empty(math.prod(header.shape), header.dtype)
        raw = flat.view(np.uint8)
        at = 0
        while at < len(raw):
            piece = file.read(min(PIECE, len(raw) - at))
            if not piece:
                raise cut_off(label, len(raw), at)
            raw[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
            at += len(piece)
        whole: Array = flat.reshape(header.shape, order="F" if header.fortran else "C")
    except (MemoryError, ValueError) as error:  # ValueError: axes of length 0 beside huge ones
        raise errors.BadFile(
            f"{label} has shape {header.shape}, for which there is no memory."
        ) from error
    if header.dtype.kind == "U" and len(flat):
        codes = flat.view(header.dtype.str[0].replace("|", "=") + "u4")
        if codes.max() > 0x10FFFF:
            raise errors.BadFile(f"{label} holds text with characters that do not exist.")
    return whole


def cut_off(label: str, expected: int, there: int) -> errors.BadFile:
    """Return the error about an array with fewer bytes than it should have."""
    return errors.BadFile(
        f"{label} is cut off: it is said to have {expected:,} bytes, and there are {there:,}.",
        hint=FETCH,
    )
