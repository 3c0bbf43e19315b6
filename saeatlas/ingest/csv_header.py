"""The first line of a CSV file: which separator it uses, and the names in it."""

import csv
from collections.abc import Collection

SEPARATORS = (",", ";", "\t", "|")


def read_header(line: str, wanted: Collection[str], default: str = ",") -> tuple[str, list[str]]:
    """Read a header, whichever separator it uses.

    Parameters
    ----------
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
    """
    found = {}
    for separator in dict.fromkeys((default, *SEPARATORS)):
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        found[separator] = [name.strip() for name in fields]
    known = {separator: len(set(wanted) & set(names)) for separator, names in found.items()}
    counts = known if any(known.values()) else {one: len(names) for one, names in found.items()}
    best = max(counts, key=lambda separator: counts[separator])
    return best, found[best]
