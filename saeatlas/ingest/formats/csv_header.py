"""The first line of a CSV file: which separator it uses, and the names in it."""

import csv
from collections.abc import Collection

from saeatlas import errors

SEPARATORS = (",", ";", "\t", "|")


def read_header(
    file: str, line: str, wanted: Collection[str], default: str = ","
) -> tuple[str, list[str]]:
    """Read a header, whichever separator it uses.

    Parameters
    ----------
    file : str
        Its name, for messages.
    line : str
    wanted : collection of str
        Names of columns that the reader knows.
    default : str, default=','
        The separator that counts unless another one gives more of these names; or more names, if
        none of these is there.

    Returns
    -------
    separator : str
    names : list of str
        Without blanks around them.

    Raises
    ------
    BadFile
        It cannot be read as CSV, as with a name of 131,072 characters.
    """
    try:
        found = {one: _fields(line, one) for one in dict.fromkeys((default, *SEPARATORS))}
    except csv.Error as error:
        raise errors.BadFile(
            f"The header of {file} cannot be read as CSV: {error}.",
            available=f"It begins with {line[:60]!r}.",
            hint="Write names of columns in the first line, with commas between.",
        ) from error
    known = {separator: len(set(wanted) & set(names)) for separator, names in found.items()}
    counts = known if any(known.values()) else {one: len(names) for one, names in found.items()}
    best = max(counts, key=lambda separator: counts[separator])
    return best, found[best]


def _fields(line: str, separator: str) -> list[str]:
    fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [name.strip() for name in fields]
