"""Clusterings of features that others published: a run of lobes with a clustering a level."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.formats import texts
from saeatlas.ingest.published import features, job
from saeatlas.ingest.published import values as values_of
from saeatlas.ingest.published.features import FeatureColumns
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings
from saeatlas.schema.rows.clusterings import Clustering
from saeatlas.wording import counted

NOISE = -1
"""What many programs call the features that they put into no cluster."""

_COMPUTED = (*tables.AFFINITIES, tables.ANGULAR)

_LONG = {"clustering", "affinity", "k"}
"""Columns of view ``lobe_features``: clusterings stand below one another."""


@dataclass(frozen=True)
class Level:
    """A clustering of a file.

    Parameters
    ----------
    name : str
    clusters : dict of int to (int or str)
        The cluster of each feature that has one.
    """

    name: str
    clusters: dict[int, Any]

    @cached_property
    def key(self) -> tuple[str, int]:
        """Its name and number of clusters: what a run has once."""
        return self.name, len(set(self.clusters.values()))


def ingest_clustering(
    engine: sa.Engine,
    path: Path,
    *,
    sae: str,
    columns: Mapping[str, str] | None = None,
    report: Report = silent,
) -> job.Published:
    """Ingest a clustering of features, at one level or several.

    Writes a row of ``run`` (analysis ``lobes``), and for each level one of ``clustering``, with
    rows of ``lobe`` and ``lobe_member``. The same again changes nothing.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    path : Path
        CSV, Parquet, JSON, .npy or .npz: which cluster each feature is in; several columns are
        several levels. Clusters are whole numbers or texts; -1, null, NaN and the empty text are
        none.
    sae : str
        Name or number of the SAE.
    columns : mapping of str to str, optional
        The file's column by level, ``feature`` that of the features. Default: all columns.
    report : callable, optional

    Returns
    -------
    Published

    Raises
    ------
    BadTable
        The file has impossible values.
    UnknownName
        No such SAE.
    """

    def read(row: sa.Row[Any]) -> job.Content:
        chosen = job.read_features(path, row, columns or {}, "members")
        levels = _without_copies(chosen, _levels(chosen))
        made = [_clustering(chosen.file, level) for level in levels]
        n = max(len(one.features) for one in made)
        shown = ", ".join(f"{one.affinity} ({counted(one.k, 'cluster')})" for one in made)
        return job.Content(
            params={
                "affinities": list(dict.fromkeys(one.affinity for one in made)),
                "ks": sorted({one.k for one in made}),
            },
            quality={"n_features": n, "n_left_out": row.d_sae - n},
            values=[[one.affinity, one.features.tolist(), one.lobes.tolist(), one.each["name"]]
                    for one in sorted(made, key=lambda one: (one.affinity, one.k))],
            write=lambda connection, run: clusterings.write(connection, run, made),
            summary=f"{shown}; {counted(n, 'feature')} of {row.d_sae:,} have one."
            f"{chosen.left_out_note}",
        )  # fmt: skip

    return job.ingest(engine, "lobes", path, sae, read, report)


def _levels(chosen: FeatureColumns) -> list[Level]:
    if chosen.values.keys() == {"lobe"} and chosen.context.keys() >= _LONG:
        return _long(chosen)
    features.require_once(chosen)
    if not chosen.named:
        kept = {name: values for name, values in chosen.values.items()
                if not (chosen.context and name.startswith(features.ATTRIBUTE))}  # fmt: skip
        values = [(_level_name(name), own) for name, own in kept.items()]
    else:
        values = list(chosen.values.items())
    if not values:
        raise errors.BadFile(
            f"{chosen.file} has no column of clusters.",
            hint="Name it: --column NAME=COLUMN.",
        )
    for name, _ in values:
        features.require_name(chosen, name, "A level")
    return [_level(chosen, name, own) for name, own in values]


def _level_name(column: str) -> str:
    """Name the level of a column that has no name in its file."""
    if column == "value":
        return "cluster"
    return f"level_{column[6:]}" if re.fullmatch(r"value_\d+", column) else column


def _long(chosen: FeatureColumns) -> list[Level]:
    """Take rows of view ``lobe_features`` apart: a level for each clustering.

    Those of several runs that differ, but not in name and number of clusters, are named by run.
    """
    rows: dict[Any, list[int]] = {}
    for row, number in enumerate(chosen.context["clustering"]):
        rows.setdefault(number, []).append(row)
    run = "run" if "run" in chosen.context else "clustering"
    levels = []
    for own in rows.values():
        features.require_once(chosen, own)
        affinity, k, number = (chosen.context[name][own[0]] for name in ("affinity", "k", run))
        if features.is_missing(affinity):
            chosen.refuse(own[0], "its affinity is missing.")
        names = chosen.context.get("name", chosen.values["lobe"])
        column = chosen.values["lobe"] if features.is_missing(names[own[0]]) else names
        part = [column[row] for row in own]
        levels.append((number, _level(chosen, f"{affinity}_k{features.whole(k) or k}", part, own)))
    return [
        replace(level, name=f"{level.name}_{run}{number}")
        if any(level.key == other.key and level != other for _, other in levels)
        else level
        for number, level in levels
    ]


def _without_copies(chosen: FeatureColumns, levels: Sequence[Level]) -> list[Level]:
    """Keep one of equal levels; refuse levels that differ, but not in name and number."""
    kept: dict[tuple[str, int], Level] = {}
    for level in levels:
        name, k = level.key
        if kept.setdefault(level.key, level) != level:
            raise errors.BadFile(
                f"{chosen.file} has two clusterings {name!r} with {counted(k, 'cluster')}.",
                available="They differ.",
                hint="Name the columns to take: --column NAME=COLUMN; or leave out one of the two.",
            )
    return list(kept.values())


def _level(
    chosen: FeatureColumns, name: str, values: Sequence[Any], rows: Sequence[int] | None = None
) -> Level:
    """Take one column for a clustering: by whole numbers if all are, else by texts."""
    rows = range(len(chosen.features)) if rows is None else rows
    given = [
        (row, value)
        for row, value in zip(rows, values, strict=True)
        if not features.is_missing(value)
    ]
    exported = chosen.context and not chosen.named and re.search(r"_k\d+$", name)
    named = chosen.named or bool(exported)
    numbered = _by_number(values_of.without_nan(given))
    found = _by_text(chosen, name, given, named) if numbered is None else numbered
    found = [(row, cluster) for row, cluster in found if cluster != NOISE]
    if not found:
        raise errors.BadFile(f"In {chosen.file} no feature has a cluster in column {name!r}.")
    distinct = {cluster for _, cluster in found}
    unsure = not named and (len(chosen.values) > 1 or isinstance(found[0][1], str))
    if unsure and len(found) > 2 and 2 * len(distinct) > len(found):
        raise errors.BadFile(
            f"The column {name!r} of {chosen.file} has {len(distinct):,} different values for "
            f"{counted(len(found), 'feature')}: it does not look like clusters.",
            hint=f"Name the columns that do: --column NAME=COLUMN. If this one does: --column "
            f"{name}={name}.",
        )
    for cluster in distinct:
        texts.require_name(str(cluster), "A cluster")
    clusters = {chosen.features[row]: cluster for row, cluster in found}
    return Level(_plain_name(name, len(distinct)) if exported else name, clusters)


def _plain_name(name: str, k: int) -> str:
    """Undo what `export features` adds to a level's name; phi_k4 stays: phi is computed here."""
    plain = name.removesuffix(f"_k{k}")
    return name if plain in ("", *_COMPUTED) else plain


def _by_number(given: Sequence[tuple[int, Any]]) -> list[tuple[int, Any]] | None:
    """Take clusters that are whole numbers; None if some are not."""
    numbers = [(row, features.whole(value)) for row, value in given]
    return None if any(number is None for _, number in numbers) else numbers


def _by_text(
    chosen: FeatureColumns, name: str, given: Sequence[tuple[int, Any]], named: bool
) -> list[tuple[int, Any]]:
    """Take clusters that are texts, unless most look like numbers, of which some are damaged."""
    kinds = {type(value) for _, value in given}
    numbers = [row for row, value in given if values_of.number(value) is not None]
    few = len(numbers) <= len(given) / 2 or (named and len(numbers) < len(given))
    if kinds != {bool} and not (kinds == {str} and few):
        row, value = next(one for one in given if features.whole(one[1]) is None)
        chosen.refuse(
            row,
            f"its {name} is {value!r:.60}, not a whole number.",
            "Clusters are whole numbers or texts; --column NAME=COLUMN names their columns.",
        )
    return [(row, str(value)) for row, value in given]


def _clustering(file: str, level: Level) -> Clustering:
    """Give clusters their numbers: the file's if it counts from 0, else the largest first."""
    texts.require_name(level.name, "A level")
    if level.name in _COMPUTED:
        raise errors.BadFile(
            f"A level of {file} is called {level.name!r}, like an affinity of the catalog.",
            hint=f"Give it another name: --column NAME={level.name}.",
        )
    own = np.array(list(level.clusters), np.int64)
    order = np.argsort(own)
    names, codes = np.unique(np.array(list(level.clusters.values()), object), return_inverse=True)
    k = len(names)
    if not isinstance(names[0], int) or names[0] != 0 or names[-1] != k - 1:
        lowest = np.full(k, own.max(), np.int64)
        np.minimum.at(lowest, codes, own)
        ranked = np.lexsort((lowest, -np.bincount(codes)))
        names, codes = names[ranked], np.argsort(ranked)[codes]
    return Clustering(
        level.name, k, own[order], codes[order].astype(np.int64), {},
        {"name": [str(name) for name in names]},
    )  # fmt: skip
