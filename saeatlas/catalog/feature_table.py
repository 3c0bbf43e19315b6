"""The features of one SAE as a table, with all that has a value a feature."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog import sql
from saeatlas.catalog.language.names import Count, Names
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import attributes, clusterings, saes

if TYPE_CHECKING:
    import pandas as pd

_REALS = ("decoder_norm", "threshold", "density", "label_score")
_TEXTS = ("release", "sae_id", "label", "label_source", "neuronpedia_url")


@dataclass(frozen=True)
class FeatureTable:
    """What is known of each feature of an SAE.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row per feature, in their order. Texts and lobes are categorical; unknown is missing.
        Whole numbers are int64, Int64 only where they are not known: masks of Int64 are none that
        anndata 0.12.6 takes.
    count : Count or None
        Where densities come from.
    runs : dict of str to int
        The run that each column of lobes and of attributes comes from.
    """

    frame: "pd.DataFrame"
    count: Count | None
    runs: dict[str, int]


def read_feature_table(
    connection: sa.Connection, sae: int, cooccurrence: int | None = None
) -> FeatureTable:
    """Read the table: names, decoder norm, threshold, density, label, lobes, attributes.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    cooccurrence : int, optional
        Run of ``cooccurrence``. Default: the one over most blocks, the newest of these.

    Returns
    -------
    FeatureTable
        Of the labels of a feature the one with the highest score. Of each affinity and k the
        newest lobes: a column ``phi_k3``, the lobe's number, of published clusterings the
        cluster's name; missing for features left out. Of each attribute the newest: a column
        ``attribute.NAME``.

    Raises
    ------
    UnknownName
        There is no such SAE, or no such count of it.
    """
    names = Names(connection)
    saes.read(connection, sae)  # or say that there is none
    count = _count([one for one in names.counts if one.sae == sae], cooccurrence)
    params = {"sae": sae, "run": count and count.run}
    frame = sql.run(connection, statement(__name__, "feature_table"), params).frame()
    frame = frame.astype(dict.fromkeys(_REALS, "float64"))
    for name in _TEXTS:
        frame[name] = _categories(frame[name])
    newest = {(one.affinity, one.k): one.run for one in names.clusterings if one.sae == sae}
    runs = {}
    for (affinity, k), run in sorted(newest.items()):
        [labels] = clusterings.read(connection, run, affinities=[affinity], ks=[k])
        runs[f"{affinity}_k{k}"] = run
        frame[f"{affinity}_k{k}"] = _lobes(
            len(frame), labels, clusterings.names(connection, labels.clustering)
        )
    newest_attributes = {one.name: one for one in names.attributes if one.sae == sae}
    for name, one in sorted(newest_attributes.items()):
        runs[f"attribute.{name}"] = one.run
        values = frame["feature"].map(attributes.read(connection, one.id))
        number = one.type == "number"
        frame[f"attribute.{name}"] = values.astype("float64") if number else _categories(values)
    return FeatureTable(frame, count, runs)


def index(names: Iterable[str]) -> "pd.Index[Any]":
    """Make an index of texts as objects.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    pandas.Index
        Not of pandas 3's own texts, which anndata 0.12.6 does not write: docs/decisions.md.
    """
    import pandas as pd

    return pd.Index(list(names), dtype=object)


def _categories(texts: "pd.Series[Any]") -> "pd.Categorical":
    import pandas as pd

    known = sorted({text for text in texts if isinstance(text, str)})
    return pd.Categorical(texts, categories=index(known))


def _count(counts: Sequence[Count], run: int | None) -> Count | None:
    if run is None:
        return counts[-1] if counts else None
    found = [count for count in counts if count.run == run]
    if not found:
        listed = ", ".join(str(count.run) for count in sorted(counts)) or "none"
        raise errors.UnknownName(
            f"Run {run} is no count of this SAE's co-occurrence.",
            available=f"Available: {listed}.",
            hint="`saeatlas analyze cooccurrence --recording N` makes one.",
        )  # fmt: skip
    return found[0]


def _lobes(d_sae: int, labels: clusterings.Labels, names: Sequence[str] | None) -> "pd.Categorical":
    import pandas as pd

    codes = np.full(d_sae, -1)
    codes[labels.features] = labels.lobes
    if names is None:
        names = [str(lobe) for lobe in range(int(codes.max(initial=-1)) + 1)]
    return pd.Categorical.from_codes(codes, index(names))
