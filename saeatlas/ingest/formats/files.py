"""Files as such: there, regular, readable."""

import errno
import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from saeatlas import errors

FETCH = "It may be damaged or half downloaded; fetch or write it again."
"""The hint about a file that ends too early or fails its checksum."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def require_file(path: Path) -> int:
    """Refuse what is no regular file: a pipe may have no end, or nobody who writes to it.

    Parameters
    ----------
    path : Path
        Links are followed.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    BadFile
        There is no such file, it is not a regular one, or its folder may not be read.
    """
    with understood(path):
        found = path.stat()
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    kind = next((name for fits, name in _KINDS if fits(found.st_mode)), "no regular file")
    raise errors.BadFile(
        f"{path} is {kind}, not a file.",
        hint="Name a file; write what comes through a pipe to one first: ... > FILE",
    )


def require_content(path: Path) -> int:
    """Refuse what stands in place of a file: a pointer of git LFS, or a web page.

    Parameters
    ----------
    path : Path

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    BadFile
    """
    size = require_file(path)
    with understood(path), path.open("rb") as file:
        start = file.read(200).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        raise errors.BadFile(
            f"{path} is a pointer of git LFS: it names the file and does not hold it.",
            hint="Fetch the file itself: git lfs pull, or download it by its own link.",
        )
    if start.startswith((b"<!doctype html", b"<html")):
        raise errors.BadFile(
            f"{path} is a web page, not the file.",
            hint="Fetch the file itself: a link to it has /resolve/ or /raw/, not /blob/.",
        )
    return size


def require_plain(path: Path) -> None:
    """Refuse what is there and is neither a file nor a folder: a pipe, a device, a loop of links.

    Parameters
    ----------
    path : Path
        Where there is nothing, nothing is said.

    Raises
    ------
    BadFile
    """
    with understood(path):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
    if not stat.S_ISDIR(mode):
        require_file(path)


def open_file(path: Path) -> IO[bytes]:
    """Open a regular file for reading.

    Parameters
    ----------
    path : Path

    Returns
    -------
    binary file

    Raises
    ------
    BadFile
    """
    require_file(path)
    with understood(path):
        return path.open("rb")


def file_sha256(path: Path) -> bytes:
    """Hash a file, a piece at a time.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes
        SHA-256.

    Raises
    ------
    BadFile
    """
    require_file(path)
    with understood(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def denied(path: Path, error: PermissionError) -> errors.BadFile:
    """Say that a file may not be read.

    Parameters
    ----------
    path : Path
    error : PermissionError

    Returns
    -------
    BadFile
    """
    return errors.BadFile(
        f"{path} cannot be read: {error.strerror or error}.",
        hint="Give this user the right to read it (chmod u+r, chown), or name another.",
    )


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Say in our words what the system says of a file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BadFile
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise errors.BadFile(
            f"There is no file {path}.", hint="Check the path; relative ones begin here."
        ) from error
    except PermissionError as error:
        raise denied(path, error) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise errors.BadFile(
                f"The path {str(path)[:60]}... has {len(str(path)):,} characters: it is too long.",
                hint="Check the path; give a shorter one, or a link.",
            ) from error
        if error.errno == errno.ELOOP:
            raise errors.BadFile(
                f"{path} is a link that leads back to itself.", hint="Name the file itself."
            ) from error
        raise errors.BadFile(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:  # a NUL in the path
        raise errors.BadFile(f"{str(path)!r} is no path: {error}.") from error
