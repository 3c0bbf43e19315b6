"""What spectra are made of: vectors of an SAE, all or those of a lobe, or what it hears."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import chosen_features
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, covariances, saes

Array = np.ndarray[Any, Any]
Source = Literal["decoder", "encoder", "activations"]
Preset = Literal["default", "paper"]

COMPONENTS = (10, 50, 100, 200)
"""Principal components that clouds are seen in; 100 as it was published."""

NEIGHBOURS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Nearest neighbours whose distances are taken; 1 as it was published."""

FEWEST = 3
"""Vectors below which a lobe's spectrum says nothing."""


@dataclass(frozen=True)
class Terms:
    """Of what spectra are asked for, and how.

    Parameters
    ----------
    source : {'decoder', 'encoder', 'activations'}
    recording : int, optional
        Whose activations. Default: the newest that has a covariance.
    within : int, optional
        Run of lobes, or of geometry: a spectrum a lobe.
    affinities : sequence of str, optional
    ks : sequence of int, optional
        Only these of its clusterings.
    features_where : str, optional
        SQL condition on the columns of view ``features``.
    components : sequence of int
        Principal components for clustering entropy; none for no clustering entropy.
    neighbours : sequence of int
    trials : int
        Clouds drawn for each null of the spectrum.
    preset : {'default', 'paper'}
        paper: the published figures, quirks and all, without nulls and intervals.
    seed : int
    """

    source: Source = "decoder"
    recording: int | None = None
    within: int | None = None
    affinities: Sequence[str] = ()
    ks: Sequence[int] = ()
    features_where: str | None = None
    components: Sequence[int] = COMPONENTS
    neighbours: Sequence[int] = NEIGHBOURS
    trials: int = 19
    preset: Preset = "default"
    seed: int = 0

    @property
    def params(self) -> dict[str, Any]:
        """As the run keeps them."""
        params = asdict(self)
        del params["preset"], params["seed"]
        if self.preset == "paper":
            params |= {"components": [100], "neighbours": [1], "trials": 0}
        sets = {name: sorted(set(params[name])) for name in
                ("affinities", "ks", "components", "neighbours")}  # fmt: skip
        return params | sets


@dataclass(frozen=True)
class Part:
    """The cloud of one row of ``spectrum``.

    Parameters
    ----------
    clustering, lobe : int or None
        Lobe that it is limited to.
    vectors : ndarray of shape (n, d), float32, or None
    covariance : Covariance or None
        One of the two.
    """

    clustering: int | None
    lobe: int | None
    vectors: Array | None
    covariance: covariances.Covariance | None = None


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Parameters
    ----------
    sae : int
    recording, within : int or None
    facts : dict
        What the result depends on, for the run's hash.
    vectors : ndarray of shape (d_sae, d), float32, or None
    features : ndarray of shape (n,), int64
        Those that the condition chooses.
    lobes : sequence of Labels or None
    covariance : Covariance or None
    """

    sae: int
    recording: int | None
    facts: dict[str, Any]
    vectors: Array | None
    features: Array
    lobes: Sequence[clusterings.Labels] | None
    covariance: covariances.Covariance | None

    def parts(self) -> Iterator[Part]:
        """Take the clouds one after another; lobes with fewer than three features have none."""
        if self.vectors is None:
            yield Part(None, None, None, self.covariance)
        elif self.lobes is None:
            yield Part(None, None, self.vectors[self.features])
        else:
            for labels in self.lobes:
                for lobe in range(int(labels.lobes.max()) + 1):
                    own = np.intersect1d(labels.features[labels.lobes == lobe], self.features)
                    yield Part(labels.clustering, lobe, self.vectors[own])

    @property
    def n_parts(self) -> int:
        """How many clouds there are."""
        return 1 if self.lobes is None else sum(int(one.lobes.max()) + 1 for one in self.lobes)


def read(connection: sa.Connection, sae: int, terms: Terms) -> Inputs:
    """Read vectors and lobes.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    terms : Terms

    Returns
    -------
    Inputs

    Raises
    ------
    UnknownName, InputError
        No such SAE, run or vectors, or they do not fit each other.
    QueryFailed
        The condition does not run.
    """
    if terms.source == "activations":
        return _heard(connection, sae, terms)
    if terms.recording is not None:
        raise errors.InputError(
            "A recording has no vectors of features.", hint="Add --of activations."
        )
    chosen = chosen_features.read(connection, sae, terms.features_where, of=terms.source)
    lobes = None if terms.within is None else _lobes(connection, sae, terms)
    return Inputs(sae, None, chosen.facts, chosen.vectors, chosen.features, lobes, None)


def _heard(connection: sa.Connection, sae: int, terms: Terms) -> Inputs:
    _refuse_limits(terms)
    weights = saes.read(connection, sae).weights_sha256
    recording = terms.recording or _newest(connection, sae)
    covariance = covariances.read(connection, recording)
    _require_own(connection, recording, sae)
    facts = {"sae": sae, "weights": weights.hex(), "recording": recording, "n": covariance.n}
    return Inputs(sae, recording, facts, None, np.empty(0), None, covariance)


def _lobes(connection: sa.Connection, sae: int, terms: Terms) -> Sequence[clusterings.Labels]:
    assert terms.within is not None
    found = clusterings.read(connection, terms.within, affinities=terms.affinities, ks=terms.ks)
    of = connection.execute(
        sa.select(tables.run.c.sae).where(tables.run.c.id == terms.within)
    ).scalar_one()
    if of != sae:
        raise errors.InputError(
            f"Run {terms.within} has lobes of SAE {of}, not of SAE {sae}.",
            hint=f"Ask for --sae {of}; `saeatlas status` lists runs with their SAEs.",
        )
    return found


def _refuse_limits(terms: Terms) -> None:
    if terms.within is not None or terms.features_where is not None:
        raise errors.InputError(
            "Activations are vectors of tokens, not of features: they have no lobe.",
            hint="Leave out --within and --features.",
        )


def _newest(connection: sa.Connection, sae: int) -> int:
    table, moments = tables.recording, tables.activation_covariance
    query = (
        sa.select(table.c.id)
        .join(moments, moments.c.recording == table.c.id)
        .where(table.c.sae == sae, moments.c.n_tokens > 0)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    found: int | None = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise errors.UnknownName(
            f"No recording of SAE {sae} has the covariance of its activations.",
            hint="`saeatlas ingest activations ... --covariance` collects it.",
        )
    return found


def _require_own(connection: sa.Connection, recording: int, sae: int) -> None:
    table = tables.recording
    of = connection.execute(sa.select(table.c.sae).where(table.c.id == recording)).scalar_one()
    if of != sae:
        raise errors.InputError(
            f"Recording {recording} is of SAE {of}, not of SAE {sae}.",
            hint="`saeatlas status` lists recordings with their SAEs.",
        )
