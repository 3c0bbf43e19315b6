"""Ingestion from Python of what was computed elsewhere, and of simulations."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.progress import Report, silent


@dataclass(frozen=True)
class IngestTables:
    """Ingestion of tables and simulations: a part of `saeatlas.api.ingest.Ingest`.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    engine: sa.Engine

    @errors.extras()
    def table(
        self,
        *,
        path: str | Path,
        sae: int | str,
        keep_above: float = 0.0,
        columns: Mapping[str, str] | None = None,
        corpus: int | None = None,
        progress: Report = silent,
    ) -> int:
        """Ingest activations that were computed elsewhere.

        Parameters
        ----------
        path : str or Path
            Parquet or CSV with the columns document, feature, activation and, optionally, block
            and subset; or the folder of one hookpoint in a latent cache of Delphi. Without blocks
            each document is one block.
        sae : int or str
            SAE that the features belong to, by number or name.
        keep_above : float, default=0.0
            Activation floor: only maxima above this are stored; not negative.
        columns : mapping of str to str, optional
            The file's own names for our columns, as ``{"feature": "latent"}``.
        corpus : int, optional
            Corpus whose documents and blocks these are. Default: the one of this file, or a new
            one.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`: the rows read.

        Returns
        -------
        int
            Number of the recording.

        Raises
        ------
        BadTable, UnknownName, NameTaken, CorpusChanged, DatabaseError
        """
        from saeatlas.ingest import tables

        done = tables.ingest_table(
            self.engine, Path(path), sae=str(sae), keep_above=keep_above, columns=columns,
            corpus=corpus, report=progress,
        )  # fmt: skip
        return done.recording

    @errors.extras()
    def cooccurrence(self, *, path: str | Path, sae: int | str, progress: Report = silent) -> int:
        """Ingest counts of co-occurrence that were computed elsewhere.

        Parameters
        ----------
        path : str or Path
            A .npz file as the published code writes it: ``histogram``, of shape (d_sae, d_sae), and
            ``n_chunks``.
        sae : int or str
            SAE that the features belong to, by number or name.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.

        Raises
        ------
        UnknownName, BadTable
        """
        from saeatlas.ingest import cooccurrence_file

        done = cooccurrence_file.ingest_cooccurrence(
            self.engine, Path(path), sae=str(sae), report=progress
        )
        return done.run

    @errors.extras()
    def simulated(
        self,
        *,
        blocks: int = 5_000,
        features: int = 1_024,
        d_model: int = 128,
        lobes: int = 3,
        active: float | None = None,
        blocks_per_document: int = 3,
        subsets: int | None = None,
        preference: float = 0.5,
        geometry: float = 0.2,
        density_exponent: float = 1.0,
        spectrum_exponent: float = 0.4,
        parallelograms: int = 20,
        trapezoids: int = 10,
        function_vectors: int = 5,
        distractors: int = 0,
        dead: float = 0.02,
        seed: int = 0,
        release: str = "simulated",
        sae_id: str | None = None,
        layer: int | None = None,
        progress: Report = silent,
    ) -> int:
        """Simulate an SAE, its features and their activations: a catalog with a known answer.

        Parameters
        ----------
        blocks : int, default=5000
            Blocks to draw, in whole documents. More are added to a simulation that is there.
        features : int, default=1024
            Features of the SAE, dead ones included.
        d_model : int, default=128
            Width of a decoder vector.
        lobes : int, default=3
            Lobes planted, of equal size.
        active : float, optional
            Mean number of active features per block. Default: 1,090 in 16,384.
        blocks_per_document : int, default=3
            Blocks of each document.
        subsets : int, optional
            Document types, each preferring a lobe. Default: three a lobe.
        preference : float, default=0.5
            How much a document's lobe decides, in [0, 1]. 0: features are independent.
        geometry : float, default=0.2
            How much decoder vectors follow lobes, in [0, 1]. 0: not at all.
        density_exponent : float, default=1.0
            Densities fall as rank**-exponent.
        spectrum_exponent : float, default=0.4
            Eigenvalues of the decoder vectors' covariance fall as rank**-exponent. 0: isotropic.
        parallelograms : int, default=20
            Parallelograms planted.
        trapezoids : int, default=10
            Trapezoids planted.
        function_vectors : int, default=5
            Directions that the crystals share.
        distractors : int, default=0
            Directions along which the crystals' points are shifted.
        dead : float, default=0.02
            Share of features that are never active, in [0, 1).
        seed : int, default=0
            Another seed draws other numbers.
        release : str, default='simulated'
            Release of the SAE.
        sae_id : str, optional
            Its name within the release. Default: features x dimensions and seed.
        layer : int, optional
            Layer that the catalog says it is of.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`: the documents done.

        Returns
        -------
        int
            Number of the recording.

        Raises
        ------
        InputError, NameTaken, CorpusChanged, CatalogBusy, DatabaseError
        """
        from saeatlas.ingest.simulation import Params, job

        params = Params(
            features=features, d_model=d_model, lobes=lobes, active=active,
            blocks_per_document=blocks_per_document, subsets=subsets, preference=preference,
            geometry=geometry, density_exponent=density_exponent,
            spectrum_exponent=spectrum_exponent, parallelograms=parallelograms,
            trapezoids=trapezoids, function_vectors=function_vectors, distractors=distractors,
            dead=dead, seed=seed,
        )  # fmt: skip
        done = job.simulate(
            self.engine, params, blocks=blocks, release=release, sae_id=sae_id, layer=layer,
            report=progress,
        )  # fmt: skip
        return done.recording
