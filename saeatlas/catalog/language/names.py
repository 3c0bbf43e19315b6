"""What names in a query mean: which SAE, which run, which recording.

They are looked up before the query is compiled: its SQL holds numbers, and notes say which were
chosen.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from saeatlas.schema import tables
from saeatlas.schema.rows import attributes, vector_index

CLUSTERED = (*tables.AFFINITIES, tables.ANGULAR)
"""Affinities that lobes are made of."""


class Sae(NamedTuple):
    """An SAE as far as names go; ``d_in`` is the length of its decoder vectors, None without."""

    id: int
    release: str
    sae_id: str
    layer: int | None
    site: str | None
    model: int | None
    d_in: int | None
    d_sae: int

    def __str__(self) -> str:
        """Write it for a message."""
        return f"sae {self.id} ({self.release}/{self.sae_id})"


class Count(NamedTuple):
    """A count of co-occurrence; `threshold` is None for one made elsewhere."""

    run: int
    sae: int
    recording: int | None
    threshold: str | None
    n_blocks: int


class Clustering(NamedTuple):
    """Features clustered into lobes."""

    id: int
    run: int
    sae: int
    affinity: str
    k: int


class SubsetRun(NamedTuple):
    """A run of ``subsets``, which assigned the blocks of document types to lobes."""

    run: int
    clustering: int
    preset: str | None
    documents: str | None


class Recording(NamedTuple):
    """Activations of an SAE on a corpus; maximum activations above `keep_above` are stored."""

    id: int
    sae: int
    corpus: int
    n_blocks: int
    keep_above: float


class Names:
    """The names in the catalog, each kind of them read when it is first needed.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def _all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        return self._connection.execute(query).all()

    @cached_property
    def saes(self) -> list[Sae]:
        """All SAEs, in the order of their numbers."""
        c = tables.sae.c
        query = sa.select(
            c.id, c.release, c.sae_id, c.layer, c.site, c.model, c.d_in, c.d_sae
        ).order_by(c.id)
        return [Sae._make(row) for row in self._all(query)]

    @cached_property
    def indexed(self) -> set[int]:
        """SAEs whose decoder vectors have an index."""
        return vector_index.indexed(self._connection)

    @cached_property
    def counts(self) -> list[Count]:
        """All counts, the best one of each SAE last: over most blocks, the newest of these."""
        c = tables.run.c
        n_blocks = c.quality["n_blocks"].as_integer()
        query = (
            sa.select(c.id, c.sae, c.recording, c.params["threshold"].as_string(), n_blocks)
            .where(c.analysis == "cooccurrence")
            .order_by(n_blocks, c.id)
        )
        return [Count._make(row) for row in self._all(query)]

    @cached_property
    def clusterings(self) -> list[Clustering]:
        """All clusterings, the newest run's last."""
        c, run = tables.clustering.c, tables.run.c
        query = (
            sa.select(c.id, c.run, run.sae, c.affinity, c.k)
            .join(tables.run, run.id == c.run)
            .order_by(c.run, c.id)
        )
        return [Clustering._make(row) for row in self._all(query)]

    @cached_property
    def attributes(self) -> list[attributes.Known]:
        """All attributes of features, the newest run's last."""
        return attributes.known(self._connection)

    @cached_property
    def subset_runs(self) -> list[SubsetRun]:
        """All runs of ``subsets`` by clustering: over held-out documents last, the newest last."""
        c, run = tables.subset_lobe.c, tables.run.c
        documents = run.params["documents"].as_string()
        query = (
            sa.select(c.run, c.clustering, run.preset, documents)
            .join(tables.run, run.id == c.run)
            .distinct()
        )
        rows = [SubsetRun._make(row) for row in self._all(query)]
        return sorted(
            rows,
            key=lambda row: (row.preset == "default", row.documents == "held-out", row.run),
        )

    @cached_property
    def recordings(self) -> list[Recording]:
        """All recordings that hold blocks, the best of each SAE last, as of counts."""
        c = tables.recording.c
        query = (
            sa.select(c.id, c.sae, c.corpus, c.n_blocks, c.keep_above)
            .where(c.n_blocks > 0)
            .order_by(c.n_blocks, c.id)
        )
        return [Recording._make(row) for row in self._all(query)]

    @cached_property
    def corpora(self) -> set[int]:
        """All corpora, recorded or not."""
        return {row.id for row in self._all(sa.select(tables.corpus.c.id))}

    @cached_property
    def analyses(self) -> dict[int, str]:
        """The analysis of each run."""
        c = tables.run.c
        return {row.id: row.analysis for row in self._all(sa.select(c.id, c.analysis))}

    def subsets(self, recordings: Iterable[int]) -> list[str]:
        """Read the document types of the corpora of recordings.

        Parameters
        ----------
        recordings : iterable of int

        Returns
        -------
        list of str
        """
        c, recording = tables.document.c, tables.recording.c
        query = (
            sa.select(c.subset)
            .join(tables.recording, recording.corpus == c.corpus)
            .where(recording.id.in_(set(recordings)), c.subset.is_not(None))
            .distinct()
        )
        return sorted(self._connection.execute(query).scalars())

    def holds(self, condition: sa.ColumnElement[bool]) -> bool:
        """Ask the database whether a condition holds.

        Parameters
        ----------
        condition : expression

        Returns
        -------
        bool
        """
        return self._connection.execute(sa.select(condition)).scalar_one() is True
