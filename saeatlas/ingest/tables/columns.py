"""Which of a table's columns is which of ours."""

import difflib
from collections.abc import Mapping, Sequence

from saeatlas import errors

REQUIRED = ("document", "feature", "activation")
OURS = ("document", "block", "feature", "activation", "subset")
_SHARED = {"document", "block", "subset"}
"""Names of ours that one column of the file may have at once."""


def require_ours(columns: Mapping[str, str]) -> None:
    """Refuse columns that we do not have, and one column under names that mean other things.

    Parameters
    ----------
    columns : mapping of str to str
        The file's own names for our columns.

    Raises
    ------
    BadTable
    """
    for name in columns.keys() - set(OURS):
        raise errors.BadTable(
            f"--column {name}={columns[name]}: {name!r} is not a column that SAE Atlas reads.",
            available=errors.nearest(name, OURS),
            hint="Write SAE Atlas' name first: --column feature=latent.",
        )


def find(
    file: str, names: Sequence[str], theirs: Mapping[str, str], wanted: set[str]
) -> dict[str, str]:
    """Say which of a file's columns is which of ours.

    Parameters
    ----------
    file : str
        Name of the file, for messages.
    names : sequence of str
        Its columns.
    theirs : mapping of str to str
        The file's name for each of our columns.
    wanted : set of str
        Those of ours that the user named.

    Returns
    -------
    dict of str to str
        The file's name for each of ours that it has. Without ``block`` each document is one
        block: the file has no such column, or it is the column of documents.

    Raises
    ------
    BadTable
        A column is missing, is there twice, or is named for two things.
    """
    found = {}
    for ours, name in theirs.items():
        if names.count(name) == 1:
            found[ours] = name
        elif name in names:
            raise errors.BadTable(
                f"{file} has {names.count(name)} columns {name!r}.",
                hint="Rename all but one of them.",
            )
        elif ours in REQUIRED or ours in wanted:
            raise errors.BadTable(
                f"{file} has no column {name!r}.",
                available=errors.nearest(name, names),
                hint=f"Say which of its columns is the column {ours}: --column {ours}=COLUMN.",
            )
    if "block" not in found:
        _require_no_blocks(file, names, found)
    elif found["block"] == found["document"]:
        del found["block"]
    _require_apart(file, found)
    return found


def _require_apart(file: str, found: Mapping[str, str]) -> None:
    """Refuse a column that would be two things, as feature and activation."""
    for name in set(found.values()):
        same = [ours for ours in found if found[ours] == name]
        if len(same) > 1 and not set(same) <= _SHARED:
            raise errors.BadTable(
                f"The column {name!r} of {file} cannot be both {same[0]} and {same[1]}.",
                hint=f"Name another column: --column {same[1]}=COLUMN.",
            )


def _require_no_blocks(file: str, names: Sequence[str], found: Mapping[str, str]) -> None:
    """Refuse to take each document for one block where a column looks like that of blocks."""
    for name in names:
        word = name.strip().lower()
        like = "block" in word or difflib.get_close_matches("block", [word], cutoff=0.75)
        if like and name not in found.values():
            raise errors.BadTable(
                f"{file} has no column 'block', but it has {name!r}.",
                available="In a table without blocks each document is one block.",
                hint=f"Say which: --column block={name}, or, for one block a document, --column "
                f"block={found['document']}.",
            )
