"""The catalog from Python: queries to DataFrames, results to arrays, analyses and ingestion."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog import affinities, annotated, query, sql
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.rows import clusterings, maps, pair_counts, sae_vectors, saes
from saeatlas.schema.rows.pair_counts import Counts

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from saeatlas.api.analyze import Analyze
    from saeatlas.api.ingest import Ingest


class Atlas:
    """An open catalog: query it, run analyses on it, ingest into it.

    Parameters
    ----------
    url : str, optional
        ``postgresql://...``. Default: ``SAEATLAS_DATABASE_URL``, else the embedded server.

    Attributes
    ----------
    engine : sqlalchemy.Engine
        The engine behind all methods, for queries that none of them offers.

    Raises
    ------
    DatabaseError
        It cannot be opened.

    Examples
    --------
    >>> with saeatlas.connect() as atlas:  # doctest: +SKIP
    ...     atlas.query("features where layer = 12 and density > 0.01")
    """

    def __init__(self, url: str | None = None) -> None:
        self.engine = connect.open_catalog(url)

    def __enter__(self) -> "Atlas":
        """Return itself; the block's end closes it."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close its connections; a later query opens new ones."""
        connect.close(self.engine)

    @property
    def analyze(self) -> "Analyze":
        """Analyses, a method each: ``atlas.analyze.lobes(cooccurrence=2, ks=[2, 3])``."""
        with errors.extras():
            from saeatlas.api.analyze import Analyze

        return Analyze(self.engine)

    @property
    def ingest(self) -> "Ingest":
        """Ingestion, a method each: ``atlas.ingest.sae(path="my_sae")``."""
        from saeatlas.api.ingest import Ingest

        return Ingest(self.engine)

    def query(self, text: str, *, timeout: float = 0) -> "pd.DataFrame":
        """Ask in the query language.

        Parameters
        ----------
        text : str
            A query, such as ``features where layer = 12``.
        timeout : float, default=0
            Time limit in seconds; 0 for none.

        Returns
        -------
        pandas.DataFrame
            All rows. ``attrs["notes"]`` says which runs were chosen where
            the query names none.

        Raises
        ------
        BadQuery
            It is not of the language, or names what is not in the catalog.
        QueryFailed
            It took longer than `timeout`, or the server refused it.
        """
        return query.answer(self.engine, text, timeout=timeout).frame()

    def sql(self, text: str, params: sql.Params = None, *, timeout: float = 0) -> "pd.DataFrame":
        """Run one SELECT, reading only.

        Parameters
        ----------
        text : str
            SQL; ``%s`` or ``%(name)s`` stands for a parameter where `params` are given.
        params : sequence or mapping, optional
            Values of the parameters, bound by the server.
        timeout : float, default=0
            Time limit in seconds; 0 for none.

        Returns
        -------
        pandas.DataFrame
            Integers with NULLs come as ``Int64``, arrays and vectors as lists.

        Raises
        ------
        QueryFailed
            It is no SELECT, does not run, or took longer than `timeout`.
        """
        return sql.answer_sql(self.engine, text, params, timeout=timeout).frame()

    def decoder(self, sae: int | str) -> npt.NDArray[np.float32]:
        """Read the decoder vectors of an SAE.

        Parameters
        ----------
        sae : int or str
            Its number or name, as commands take it: ``release/sae_id``, or one of these alone.

        Returns
        -------
        ndarray of shape (d_sae, d_in), float32
            Row i is feature i's vector, as stored in the weights: not normalised.

        Raises
        ------
        UnknownName
            There is no such SAE.
        """
        with self.engine.connect() as connection:
            return sae_vectors.read(connection, _number(connection, sae))

    def cooccurrence(self, run: int) -> Counts:
        """Read a count of co-occurrence.

        Parameters
        ----------
        run : int

        Returns
        -------
        Counts
            Blocks of each feature, and of each two features that were counted. 1 GiB for 16,384
            counted features.

        Raises
        ------
        UnknownName
            There is no such count.
        """
        with self.engine.connect() as connection:
            return pair_counts.read(connection, run)

    def affinity(self, run: int, measure: str = "phi") -> "pd.DataFrame":
        """Compute an affinity from a count of co-occurrence.

        Parameters
        ----------
        run : int
            Run of ``cooccurrence``.
        measure : {'phi', 'jaccard', 'dice', 'overlap', 'simple_matching', 'lift', 'pmi'}

        Returns
        -------
        pandas.DataFrame of shape (n_counted, n_counted), float32
            Rows and columns are the features that were counted; undefined is NaN. The diagonal is
            what the formula gives, 1 for phi. 1 GiB for 16,384 counted features.

        Raises
        ------
        UnknownName
            There is no such count or measure.
        """
        import pandas as pd

        with self.engine.connect() as connection:
            counted, values = affinities.read_affinity(connection, run, measure)
        features = pd.Index(counted, name="feature")
        return pd.DataFrame(values, index=features, columns=features, copy=False)

    def lobes(self, run: int, k: int, *, affinity: str | None = None) -> "pd.Series[int]":
        """Read which lobe each feature lies in.

        Parameters
        ----------
        run : int
            Run of ``lobes`` or ``geometry``.
        k : int
            Number of lobes.
        affinity : str, optional
            Affinity, if the run clustered by several.

        Returns
        -------
        pandas.Series of int
            The lobe, from 0, by feature; features that were left out are not there.

        Raises
        ------
        UnknownName
            There are none such, or those of several affinities.
        """
        import pandas as pd

        with self.engine.connect() as connection:
            found = clusterings.read(
                connection, run, ks=[k], affinities=[affinity] if affinity else ()
            )
        if len(found) > 1:
            raise errors.UnknownName(
                f"Run {run} has lobes of several affinities.",
                available=f"They are {', '.join(one.affinity for one in found)}.",
                hint=f"Say which: affinity={found[0].affinity!r}.",
            )
        features = pd.Index(found[0].features, name="feature")
        return pd.Series(found[0].lobes, index=features, name="lobe", copy=False)

    def map(self, run: int) -> "pd.DataFrame":
        """Read where a map puts each feature.

        Parameters
        ----------
        run : int
            Run of ``maps``.

        Returns
        -------
        pandas.DataFrame of shape (n, 2) or (n, 3), float32
            Columns x, y and, of a map in space, z, by feature; those left out are not there.

        Raises
        ------
        UnknownName
            The run is no map.
        """
        import pandas as pd

        with self.engine.connect() as connection:
            made = maps.read(connection, run)
        columns = list(tables.AXES[: made.points.shape[1]])
        features = pd.Index(made.features, name="feature")
        return pd.DataFrame(made.points, index=features, columns=columns, copy=False)

    def anndata(
        self,
        sae: int | str,
        *,
        cooccurrence: int | None = None,
        affinity: str = "phi",
        above: float = annotated.ABOVE,
    ) -> "AnnData":
        """Gather an SAE's features in an AnnData object, one row per feature, for scanpy.

        Parameters
        ----------
        sae : int or str
            Its number or name, as commands take it: ``release/sae_id``, or one of these alone.
        cooccurrence : int, optional
            Run of ``cooccurrence`` that densities and the affinity come from. Default: the one over
            most blocks, the newest of these; without any they are left out.
        affinity : {'phi', 'jaccard', 'dice', 'overlap', 'simple_matching', 'lift', 'pmi'}
        above : float, default=0.1
            Pairs with a lower affinity are left out of ``obsp``.

        Returns
        -------
        anndata.AnnData
            A row of ``X`` is a decoder vector, float32; ``obs`` has what is known of the feature.

        Raises
        ------
        UnknownName
            There is no such SAE, count or measure.
        MissingExtra
            anndata is not installed.
        InputError
            Too many pairs are above `above`.
        """
        with sql.reading(self.engine, 0) as connection:
            params = annotated.Params(cooccurrence, affinity, above)
            return annotated.gather(connection, _number(connection, sae), params)


def _number(connection: sa.Connection, sae: int | str) -> int:
    return int(saes.find_one(connection, str(sae)).id)
