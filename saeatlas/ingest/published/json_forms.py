"""JSON as columns: the forms in which values of features are written."""

from pathlib import Path
from typing import Any, Literal

from saeatlas import errors
from saeatlas.ingest.formats import json_text

Meaning = Literal["members", "points", "values"]
"""What a list within the file is: the features of a cluster, the coordinates of a feature, or the
values of all features."""

_COMMON = (
    'Known forms: {"17": VALUE, ...}, [VALUE, ...] with one for each feature, [{"feature": 17, '
    '"name": VALUE}, ...], {"feature": [17, ...], "name": [VALUE, ...]}'
)
_FORMS = {
    "members": f'{_COMMON}, and {{"cluster": [17, 20], ...}} with the features of each cluster.',
    "points": f"{_COMMON}; a VALUE may be [x, y].",
    "values": f'{_COMMON}, and {{"name": [VALUE, ...]}} with one for each feature.',
}


def read_columns(path: Path, d_sae: int, meaning: Meaning) -> dict[str, list[Any]]:
    """Read a JSON file as columns.

    Parameters
    ----------
    path : Path
    d_sae : int
    meaning : {'members', 'points', 'values'}
        What lists are. Lists that all have `d_sae` entries are not members.

    Returns
    -------
    dict of str to list
        A single column of values is called ``value``.

    Raises
    ------
    BadFile
        It is no JSON, or of another form.
    """
    found = json_text.read_json(path)
    columns = None
    if isinstance(found, list) and found:
        columns = _of_list(found, d_sae, meaning)
    elif isinstance(found, dict) and found:
        columns = _of_object(found, d_sae, meaning)
    if not columns or len({len(column) for column in columns.values()}) != 1:
        raise errors.BadFile(f"{path.name} holds no values of features.", available=_FORMS[meaning])
    for name, values in columns.items():
        for i, value in enumerate(values):
            if not (value is None or isinstance(value, bool | int | float | str)):
                raise errors.BadFile(
                    f"{path.name}, entry {i + 1:,}: its {name} is {value!r:.60}, no single value.",
                    available=_FORMS[meaning],
                )
    return columns


def _of_list(found: list[Any], d_sae: int, meaning: Meaning) -> dict[str, list[Any]] | None:
    if all(isinstance(one, dict) for one in found):
        return _of_rows(found)
    if all(isinstance(one, list) for one in found):
        if meaning == "points":
            return _of_points(found)
        return _of_lists({str(i): one for i, one in enumerate(found)}, d_sae, meaning)
    return {"value": found}


def _of_object(found: dict[str, Any], d_sae: int, meaning: Meaning) -> dict[str, list[Any]] | None:
    if all(isinstance(one, list) for one in found.values()):
        if "feature" in found:
            return found
        if meaning == "points" and not {"x", "y"} <= found.keys():
            points = _of_points(list(found.values()))
            return points and {"feature": list(found), **points}
        return _of_lists(found, d_sae, meaning)
    if all(isinstance(one, dict) for one in found.values()):
        return {"feature": list(found), **_of_rows(list(found.values()))}
    return {"feature": list(found), "value": list(found.values())}


def _of_rows(found: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for one in found for name in one)
    return {name: [one.get(name) for one in found] for name in names}


def _of_points(found: list[list[Any]]) -> dict[str, list[Any]] | None:
    if len({len(one) for one in found}) != 1:
        return None
    return {f"value_{i}": list(axis) for i, axis in enumerate(zip(*found, strict=True))}


def _of_lists(
    found: dict[str, list[Any]], d_sae: int, meaning: Meaning
) -> dict[str, list[Any]] | None:
    """Take lists as columns, or as the features of each cluster: a row a feature."""
    if meaning != "members" or all(len(one) == d_sae for one in found.values()):
        return found
    pairs = [(feature, name) for name, features in found.items() for feature in features]
    return {"feature": [one[0] for one in pairs], "value": [one[1] for one in pairs]}
