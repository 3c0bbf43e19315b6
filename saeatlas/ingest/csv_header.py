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
        The separator that counts unless another one gives more of these names.

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
    best = max(found, key=lambda separator: len(set(wanted) & set(found[separator])))
    return best, found[best]
