"""Ingestion from Python of what others published: SAEs without weights, clusterings, maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.progress import Progress, Report, silent


@dataclass(frozen=True)
class IngestPublished:
    """Ingestion of published results: a part of `saeatlas.api.ingest.Ingest`.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    engine: sa.Engine

    @errors.extras()
    def sae_without_weights(
        self,
        *,
        features: int,
        release: str | None = None,
        sae_id: str | None = None,
        model_name: str | None = None,
        hook_name: str | None = None,
        layer: int | None = None,
        site: Literal["resid", "mlp", "att"] | None = None,
        progress: Report = silent,
    ) -> int:
        """Ingest an SAE whose weights are not at hand: rows of ``sae`` and ``feature``.

        Its features can have labels, activations, clusterings, maps and attributes; they have no
        vectors. `sae` with the same release and sae_id adds the weights.

        Parameters
        ----------
        features : int
            Number of features.
        release, sae_id : str, optional
            Its name. Default: the model; layer, site and number of features.
        model_name : str, optional
            Model that it was trained on.
        hook_name : str, optional
            Hook name of its input site.
        layer : int, optional
            Decoder layer of its input site, from 0.
        site : {'resid', 'mlp', 'att'}, optional
            Part of the model.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the SAE.

        Raises
        ------
        InputError, NameTaken
        """
        from saeatlas.ingest.saes import without_weights

        progress(Progress("SAEs", 0, 1))
        with self.engine.begin() as connection:
            stored = without_weights.store_names(
                connection, features=features, release=release, sae_id=sae_id,
                model_name=model_name, hook_name=hook_name, layer=layer, site=site,
            )  # fmt: skip
        progress(Progress("SAEs", 1, 1))
        return stored.sae

    @errors.extras()
    def clustering(
        self,
        *,
        path: str | Path,
        sae: int | str,
        columns: Mapping[str, str] | None = None,
        progress: Report = silent,
    ) -> int:
        """Ingest a published clustering of features, at one level or several.

        Parameters
        ----------
        path : str or Path
            CSV, Parquet, JSON, .npy or .npz: which cluster each feature is in.
        sae : int or str
            SAE that the features belong to, by number or name.
        columns : mapping of str to str, optional
            The file's column by level; ``feature``: that of the features. Default: all columns.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.

        Raises
        ------
        BadTable, UnknownName, DatabaseError
        """
        from saeatlas.ingest.published import clustering

        done = clustering.ingest_clustering(
            self.engine, Path(path), sae=str(sae), columns=columns, report=progress
        )
        return done.run

    @errors.extras()
    def map(
        self,
        *,
        path: str | Path,
        sae: int | str,
        method: str = "published",
        columns: Mapping[str, str] | None = None,
        progress: Report = silent,
    ) -> int:
        """Ingest a published map of features.

        Parameters
        ----------
        path : str or Path
            CSV, Parquet, JSON, .npy or .npz: x, y and, in space, z of features.
        sae : int or str
            SAE that the features belong to, by number or name.
        method : str, default='published'
            How it was made, as ``"umap"``.
        columns : mapping of str to str, optional
            The file's columns for feature, x, y and z.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.

        Raises
        ------
        BadTable, UnknownName, DatabaseError
        """
        from saeatlas.ingest.published import maps

        done = maps.ingest_map(
            self.engine, Path(path), sae=str(sae), method=method, columns=columns, report=progress
        )
        return done.run

    @errors.extras()
    def attributes(
        self,
        *,
        path: str | Path,
        sae: int | str,
        columns: Mapping[str, str] | None = None,
        progress: Report = silent,
    ) -> int:
        """Ingest published attributes of features: numbers and texts.

        Parameters
        ----------
        path : str or Path
            CSV, Parquet, JSON, .npy or .npz: a column an attribute.
        sae : int or str
            SAE that the features belong to, by number or name.
        columns : mapping of str to str, optional
            The file's column by attribute; ``feature``: that of the features. Default: all columns.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.

        Raises
        ------
        BadTable, UnknownName, DatabaseError
        """
        from saeatlas.ingest.published import attributes

        done = attributes.ingest_attributes(
            self.engine, Path(path), sae=str(sae), columns=columns, report=progress
        )
        return done.run
