"""Analyses from Python: what `Atlas.analyze` is."""

from collections.abc import Sequence

from saeatlas.analyses.counting import cooccurrence as counting_analysis
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.params import Half, Method
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes import agreement as agreement_analysis
from saeatlas.analyses.lobes import geometry as geometry_analysis
from saeatlas.analyses.lobes import lobes as lobes_analysis
from saeatlas.analyses.lobes import params as lobes_params
from saeatlas.analyses.lobes.clustering import Assign
from saeatlas.analyses.lobes.params import KS
from saeatlas.analyses.run_driver import Preset
from saeatlas.analyses.spatiality import params as spatiality_params
from saeatlas.analyses.spatiality import spatiality as spatiality_analysis
from saeatlas.analyses.subsets import inputs as subsets_params
from saeatlas.analyses.subsets import subsets as subsets_analysis
from saeatlas.analyses.subsets.held_out import Documents
from saeatlas.api.analyze_vectors import AnalyzeVectors
from saeatlas.progress import Report, silent


class Analyze(AnalyzeVectors):
    """Runs analyses on a catalog: a method each, which returns ``run.id`` of the result.

    An analysis that was run before with the same parameters on the same data is found, not run
    again. `Atlas.query` and `Atlas.sql` read the results.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Examples
    --------
    >>> atlas.analyze.lobes(cooccurrence=2, affinities=["phi"], ks=[2, 3])  # doctest: +SKIP
    3
    """

    def cooccurrence(
        self,
        *,
        recording: int,
        threshold: float | str = 1.0,
        subsets: Sequence[str] = (),
        documents_where: str | None = None,
        half: Half | None = None,
        min_blocks: int = 1,
        engine: Method = "sql",
        progress: Report = silent,
    ) -> int:
        """Count in how many blocks each two features of a recording are active together.

        Parameters
        ----------
        recording : int
            Number of the recording.
        threshold : float or str, default=1.0
            A feature is active in a block whose maximum is above this; ``"theta+1.5"`` adds the
            feature's own JumpReLU threshold.
        subsets : sequence of str, optional
            Count only documents of these types. Default: all.
        documents_where : str, optional
            Count only documents that meet this SQL condition on view ``documents``.
        half : {'first', 'second'}, optional
            Count only one half of the documents, drawn by a hash of their numbers.
        min_blocks : int, default=1
            Pairs of features active in fewer blocks are not counted.
        engine : {'sql', 'torch'}
            Count in the database, or by torch on a GPU.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = counting.Params(
            recording, Threshold.parse(str(threshold)), subsets, documents_where, half, min_blocks,
            engine,
        )  # fmt: skip
        return self._run(counting_analysis.ANALYSIS, params, progress)

    def lobes(
        self,
        *,
        cooccurrence: int,
        affinities: Sequence[str] = (),
        ks: Sequence[int] = KS,
        preset: Preset = "default",
        min_blocks: int = 1,
        seed: int | None = None,
        assign: Assign = "kmeans",
        matrix_free: bool = False,
        halves: bool = False,
        progress: Report = silent,
    ) -> int:
        """Find lobes: features active in the same blocks, by spectral clustering.

        Parameters
        ----------
        cooccurrence : int
            Number of the run that counted.
        affinities : sequence of str, optional
            Any of phi, jaccard, dice, overlap, simple_matching. Default: all; with `matrix_free`
            those that it can compute.
        ks : sequence of int
            Numbers of lobes.
        preset : {'default', 'paper'}
            paper: the published procedure, in which dead features stay.
        min_blocks : int, default=1
            Features active in fewer blocks get no lobe; the preset paper ignores it.
        seed : int, optional
            Default: 0; 42, as published, for the preset paper.
        assign : {'kmeans', 'cluster_qr'}
            How points of the embedding become lobes.
        matrix_free : bool, default=False
            Never make the matrix of all pairs: phi and simple_matching of many features, from the
            bits of the blocks.
        halves : bool, default=False
            Measure how far lobes from either half of the documents agree.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = lobes_params.Params(
            cooccurrence, affinities, ks, preset, min_blocks,
            lobes_params.DEFAULT_SEEDS[preset] if seed is None else seed,
            assign, matrix_free, halves,
        )  # fmt: skip
        return self._run(lobes_analysis.ANALYSIS, params, progress)

    def geometry(
        self,
        *,
        sae: int | str,
        ks: Sequence[int] = KS,
        cooccurrence: int | None = None,
        seed: int = 0,
        progress: Report = silent,
    ) -> int:
        """Cluster features by the angles of their decoder vectors.

        Parameters
        ----------
        sae : int or str
            Number or name of the SAE.
        ks : sequence of int
            Numbers of clusters.
        cooccurrence : int, optional
            Only features counted in this run. Default: all.
        seed : int, default=0
            Of the clustering.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = geometry_analysis.Params(self._sae(sae), ks, cooccurrence, seed)
        return self._run(geometry_analysis.ANALYSIS, params, progress)

    def agreement(self, *, run: int, other: int, progress: Report = silent) -> int:
        """Compare the clusterings of two runs: adjusted mutual information.

        Parameters
        ----------
        run, other : int
            Numbers of runs of lobes or geometry of the same SAE, computed here or published. The
            same run twice compares its own clusterings.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = agreement_analysis.Params(run, other)
        return self._run(agreement_analysis.ANALYSIS, params, progress)

    def spatiality(
        self,
        *,
        lobes: int,
        geometry: int,
        affinities: Sequence[str] = (),
        ks: Sequence[int] = (),
        preset: Preset = "default",
        trials: int = 1000,
        vector_trials: int = 19,
        classify_up_to: int = 8,
        stratum: int = 32,
        seed: int = 0,
        cooccurrence: int | None = None,
        progress: Report = silent,
    ) -> int:
        """Test whether lobes are spatial: related to the geometry of decoder vectors.

        Parameters
        ----------
        lobes : int
            Number of the run of lobes.
        geometry : int
            Number of the run of geometry, of the same SAE.
        affinities : sequence of str, optional
            Test only lobes of these. Default: all.
        ks : sequence of int, optional
            Test only these numbers of lobes. Default: all that the geometry has too.
        preset : {'default', 'paper'}
            paper: 100 trials, no correction.
        trials : int, default=1000
            Permutations of each kind.
        vector_trials : int, default=19
            Sets of random vectors of each kind, each clustered anew.
        classify_up_to : int, default=8
            Largest k whose lobes are classified.
        stratum : int, default=32
            Features of like frequency that are shuffled among each other.
        seed : int, default=0
            Of all draws.
        cooccurrence : int, optional
            Of a published clustering: the count that knows how often its features are active.
            Default: the one over most blocks.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = spatiality_params.Params(
            lobes, geometry, affinities, ks, preset, trials, vector_trials, classify_up_to,
            stratum, seed, cooccurrence,
        )  # fmt: skip
        return self._run(spatiality_analysis.ANALYSIS, params, progress)

    def subsets(
        self,
        *,
        lobes: int,
        affinities: Sequence[str] = (),
        ks: Sequence[int] = (),
        documents: Documents = "held-out",
        preset: Preset = "default",
        seed: int = 0,
        cooccurrence: int | None = None,
        progress: Report = silent,
    ) -> int:
        """Assign blocks to lobes, and find which document types a lobe prefers.

        Parameters
        ----------
        lobes : int
            Number of the run of lobes.
        affinities : sequence of str, optional
            Only lobes of these. Default: all.
        ks : sequence of int, optional
            Only these numbers of lobes. Default: those up to 8.
        documents : {'held-out', 'all'}
            Evaluate on documents that built no lobe, or on all.
        preset : {'default', 'paper'}
            paper: the top lobe is the one with the largest share of its features active.
        seed : int, default=0
            Of the resampling of documents.
        cooccurrence : int, optional
            Of a published clustering: the count that says where its features are active. Default:
            the one over most blocks.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the run.
        """
        params = subsets_params.Params(lobes, affinities, ks, documents, preset, seed, cooccurrence)
        return self._run(subsets_analysis.ANALYSIS, params, progress)
