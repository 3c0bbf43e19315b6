"""Maps: the features of an SAE as points of a plane or of space, near ones near each other."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import chosen_features
from saeatlas.analyses.chosen_features import Chosen
from saeatlas.analyses.maps import layouts
from saeatlas.analyses.progress import Progress
from saeatlas.schema.rows import maps, runs

FEWEST = 10
"""Features below which there is nothing to map."""


@dataclass(frozen=True)
class Terms:
    """What is mapped, and how.

    Parameters
    ----------
    method : {'tsne', 'pca'}
    source : {'decoder', 'encoder'}
        Whose directions: cosine is what near means.
    features_where : str, optional
        SQL condition on the columns of view ``features``.
    dimensions : {2, 3}
    perplexity : float
        Of t-SNE: about how many near features count.
    seed : int
        Of the pairs by which distances are judged.
    """

    method: Literal["pca", "tsne"] = "tsne"
    source: Literal["decoder", "encoder"] = "decoder"
    features_where: str | None = None
    dimensions: int = 2
    perplexity: float = 30.0
    seed: int = 0

    @property
    def params(self) -> dict[str, Any]:
        """As the run keeps them: None for what the method does not use."""
        params = asdict(self)
        del params["seed"]
        if self.method != "tsne":
            params["perplexity"] = None
        return params

    @property
    def fewest(self) -> int:
        """Features that a map needs."""
        return max(FEWEST, int(3 * self.perplexity) + 2) if self.method == "tsne" else FEWEST


def find(engine: sa.Engine, sae: int, terms: Terms) -> Iterator[Progress]:
    """Map the features of an SAE by the directions of their vectors.

    Writes a run 'maps' with its rows of ``coordinate``, in one transaction. The run's quality says
    what the map keeps: `layouts.Faith`, and of PCA the share of the variance.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    sae : int
        ``sae.id``.
    terms : Terms

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError
        No such SAE or vectors, or too few of them.
    QueryFailed
        The condition on features does not run.
    CatalogBusy
        Another process makes the same.

    Notes
    -----
    A map shows what to look at, and proves nothing: t-SNE draws clumps into noise. Whether
    there are clusters is for `spectra` to say, and whether lobes are spatial for `spatiality`.
    """
    began = time.perf_counter()
    with engine.connect() as connection:
        chosen = chosen_features.read(connection, sae, terms.features_where, of=terms.source)
    key = runs.input_hash(seed=terms.seed, **chosen.facts | terms.params)
    with runs.claimed(engine, "maps", "map", key) as found:
        number, created = found, found is None
        if number is None:
            job = Job(sae, chosen, terms)
            yield from job.run()
            number = job.publish(engine, key, time.perf_counter() - began)
    ask = f'saeatlas sql "select * from coordinates where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask)


class Job:
    """The map of one run.

    Parameters
    ----------
    sae : int
    chosen : Chosen
    terms : Terms
    """

    def __init__(self, sae: int, chosen: Chosen, terms: Terms) -> None:
        self.sae, self.terms = sae, terms
        vectors = chosen.vectors[chosen.features]
        norms = np.linalg.norm(vectors, axis=1)
        some = norms > 0
        self.features, self.n_zero = chosen.features[some], int((~some).sum())
        self.units = vectors[some] / norms[some, None]
        if len(self.units) < terms.fewest:
            raise errors.InputError(
                f"{len(self.units):,} features with a direction are too few: this map needs "
                f"{terms.fewest:,}.",
                hint="Choose more features, less --perplexity, or --method pca.",
            )

    def run(self) -> Iterator[Progress]:
        """Lay the features out, and judge the result."""
        terms, began = self.terms, time.perf_counter()
        yield Progress(f"map by {terms.method}", 0, 2, 0.0)
        self.points, share = layouts.pca(self.units, terms.dimensions)
        if terms.method == "tsne":
            self.points = layouts.tsne(self.units, self.points, terms.perplexity)
        yield Progress("what it keeps", 1, 2, time.perf_counter() - began)
        faith = layouts.faith(self.units, self.points, terms.seed)
        self.quality = {"n_features": len(self.units), "n_zero": self.n_zero, **asdict(faith)}
        if terms.method == "pca":
            self.quality["variance_share"] = share

    def publish(self, engine: sa.Engine, key: bytes, seconds: float) -> int:
        """Write the run and its points.

        Parameters
        ----------
        engine : sqlalchemy.Engine
        key : bytes
        seconds : float

        Returns
        -------
        int
            ``run.id``.
        """
        with engine.begin() as connection:
            number = runs.create(
                connection, "maps", key, sae=self.sae, seed=self.terms.seed,
                params=self.terms.params, quality=self.quality | {"seconds": round(seconds, 3)},
            )  # fmt: skip
            maps.write(connection, number, self.features, self.points)
        return number
