"""Analyses of vectors from Python: spectra, maps, crystals and relations of words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.crystals import crystals as crystals_analysis
from saeatlas.analyses.crystals import params as crystals_params
from saeatlas.analyses.crystals.parallelograms import NEIGHBOURS as NEAREST
from saeatlas.analyses.crystals.params import ATTRIBUTES, MIN_COSINE
from saeatlas.analyses.maps import maps as maps_analysis
from saeatlas.analyses.relations import relations as relations_analysis
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
        vectors: Vectors = "decoder",
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
        vectors : {'decoder', 'encoder', 'activations'}
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
            self._sae(sae), vectors, recording, within, affinities, ks, features_where, components,
            neighbours, trials, preset, seed,
        )  # fmt: skip
        return self._run(spectra_analysis.ANALYSIS, params, progress)

    def maps(
        self,
        *,
        sae: int | str,
        method: Literal["pca", "tsne"] = "tsne",
        vectors: Literal["decoder", "encoder"] = "decoder",
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
        vectors : {'decoder', 'encoder'}
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
            self._sae(sae), method, vectors, features_where, dimensions, perplexity, seed
        )
        return self._run(maps_analysis.ANALYSIS, params, progress)

    def crystals(
        self,
        *,
        sae: int | str,
        features_where: str | None = None,
        neighbours: int = NEAREST,
        min_cosine: float = MIN_COSINE,
        fdr: float = 0.05,
        recording: int | None = None,
        attributes: Sequence[str] = ATTRIBUTES,
        words: str | None = None,
        keep_distractors: bool = False,
        seed: int = 0,
        progress: Report = silent,
    ) -> int:
        """Find parallelograms and trapezoids of features, and the function vectors they follow.

        Parameters
        ----------
        sae : int or str
            Number or name of the SAE.
        features_where : str, optional
            SQL condition on the columns of view ``features``.
        neighbours : int, default=16
            Nearest neighbours that each feature is paired with.
        min_cosine : float, default=0.6
            Smallest cosine of sides and of legs, in (0, 1).
        fdr : float, default=0.05
            Largest false discovery rate, in (0, 1).
        recording : int, optional
            In which densities and positions are measured. Default: the newest of the SAE.
        attributes : sequence of str
            Attributes whose directions are projected out, any of log_density, position and
            top_token_length.
        words : str, optional
            Space of word vectors, by name or number, whose relations are searched for among the
            features. Default: function vectors are found among the differences of features.
        keep_distractors : bool, default=False
            Compare the vectors themselves: nothing is whitened or projected out.
        seed : int, default=0
            Of all draws.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = crystals_params.Params(
            self._sae(sae), features_where, neighbours, min_cosine, fdr, recording, attributes,
            words, keep_distractors, seed,
        )  # fmt: skip
        return self._run(crystals_analysis.ANALYSIS, params, progress)

    def relations(
        self,
        *,
        space: str,
        relations: Sequence[str] = (),
        trials: int = 199,
        seed: int = 0,
        progress: Report = silent,
    ) -> int:
        """Measure how far the word pairs of known relations follow one vector each.

        Parameters
        ----------
        space : str
            Space of word vectors, by name or number.
        relations : sequence of str, optional
            Default: all of which the space has two pairs or more.
        trials : int, default=199
            Shuffles of partners within relations, and of relations among pairs; at least 2.
        seed : int, default=0
            Of all draws.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = relations_analysis.Params(space, relations, trials, seed)
        return self._run(relations_analysis.ANALYSIS, params, progress)

    def _run(self, analysis: Analysis[Any, Any, Any, Any], params: Params, progress: Report) -> int:
        with errors.extras():
            return perform(self.engine, analysis, params, progress).run

    def _sae(self, name: int | str) -> int:
        with self.engine.connect() as connection:
            return int(saes.find_one(connection, str(name)).id)
