"""Analyses of vectors from Python: spectra, maps and crystals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from saeatlas.analyses.maps import maps as maps_analysis
from saeatlas.analyses.run_driver import Analysis, Params, Preset, perform
from saeatlas.analyses.spectra import params as spectra_params
from saeatlas.analyses.spectra import spectra as spectra_analysis
from saeatlas.analyses.spectra.params import COMPONENTS, NEIGHBOURS, Vectors
from saeatlas.progress import Report, silent
from saeatlas.schema.rows import saes


@dataclass(frozen=True)
class AnalyzeVectors:
    """Runs analyses of vectors on a catalog: a method each, which returns ``run.id``.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    engine: sa.Engine

    def spectra(
        self,
        *,
        sae: int | str,
        source: Vectors = "decoder",
        recording: int | None = None,
        within: int | None = None,
        affinities: Sequence[str] = (),
        ks: Sequence[int] = (),
        features_where: str | None = None,
        components: Sequence[int] = COMPONENTS,
        neighbours: Sequence[int] = NEIGHBOURS,
        trials: int = 19,
        preset: Preset = "default",
        seed: int = 0,
        progress: Report = silent,
    ) -> int:
        """Measure how vectors spread over directions, and whether they cluster.

        Parameters
        ----------
        sae : int or str
            Number or name of the SAE.
        source : {'decoder', 'encoder', 'activations'}
            Decoder or encoder vectors of features, or the input activations of the SAE.
        recording : int, optional
            Of activations: number of the recording. Default: the newest that has a covariance.
        within : int, optional
            Run of lobes or of geometry: one spectrum for each lobe instead of one for the SAE.
        affinities : sequence of str, optional
            Of `within`: only clusterings by these affinities.
        ks : sequence of int, optional
            Of `within`: only clusterings into so many lobes.
        features_where : str, optional
            SQL condition on the columns of view ``features``.
        components : sequence of int
            Numbers of leading principal components for clustering entropy.
        neighbours : sequence of int
            Nearest neighbours whose distances give the clustering entropy.
        trials : int, default=19
            Sets of vectors drawn from each null of the spectrum.
        preset : {'default', 'paper'}
            paper: the published procedure, without nulls and intervals.
        seed : int, default=0
            Of all draws.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = spectra_params.Params(
            self._sae(sae), source, recording, within, affinities, ks, features_where, components,
            neighbours, trials, preset, seed,
        )  # fmt: skip
        return self._run(spectra_analysis.ANALYSIS, params, progress)

    def maps(
        self,
        *,
        sae: int | str,
        method: Literal["pca", "tsne"] = "tsne",
        source: Literal["decoder", "encoder"] = "decoder",
        features_where: str | None = None,
        dimensions: int = 2,
        perplexity: float = 30.0,
        seed: int = 0,
        progress: Report = silent,
    ) -> int:
        """Map features by the directions of their vectors, near ones near each other.

        Parameters
        ----------
        sae : int or str
            Number or name of the SAE.
        method : {'tsne', 'pca'}
            t-SNE, or principal components.
        source : {'decoder', 'encoder'}
            Vectors whose directions are mapped.
        features_where : str, optional
            SQL condition on the columns of view ``features``.
        dimensions : {2, 3}
            A map in the plane, or in space.
        perplexity : float, default=30
            Of t-SNE: about how many nearest neighbours of a feature count.
        seed : int, default=0
            Of the pairs whose distances are compared.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = maps_analysis.Params(
            self._sae(sae), method, source, features_where, dimensions, perplexity, seed
        )
        return self._run(maps_analysis.ANALYSIS, params, progress)

    def _run(self, analysis: Analysis[Any, Any, Any, Any], params: Params, progress: Report) -> int:
        return perform(self.engine, analysis, params, progress).run

    def _sae(self, name: int | str) -> int:
        with self.engine.connect() as connection:
            return int(saes.find_one(connection, str(name)).id)
