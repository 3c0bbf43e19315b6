"""The kinds of rows that can be asked for, and their fields: columns of views, with comments.

A comment stands once, at the column of the table that the view takes it from. Only what a view
computes is explained here.
"""

from collections.abc import Iterator

from saeatlas.catalog.language.kind import Field, Kind, of
from saeatlas.schema import tables


def _named(*, sae_id: bool = True, site: bool = False) -> Iterator[Field]:
    names = ["release", *["sae_id"] * sae_id, "layer", *["site"] * site]
    yield from of(tables.sae, *names)


_SAE = Field("sae", "integer", "Number of the SAE.")
_RUN = Field("run", "integer", "Number of the run.")
_PAGE = Field("neuronpedia_url", "text", "The feature's page on Neuronpedia. NULL if it has none.")
_CORPUS_NAME = next(of(tables.corpus, "name=corpus_name"))
_SUBSET = next(of(tables.document, "subset"))
_METADATA = next(of(tables.document, "metadata"))

COUNTS = (
    Field("n_active", "integer", "Blocks of the count in which the feature is active."),
    Field("n_blocks", "integer", "Blocks of the count."),
    Field("density", "number", "n_active / n_blocks; in [0, 1]. NULL if never counted."),
)
"""Fields of a feature that come from a count of co-occurrence."""

COSINE = Field("cosine", "number", "Cosine with what it is near to; in [-1, 1]. NULL for a vector "
               "of length 0.")  # fmt: skip
PARTNER = (
    Field("value", "number", "The measure of affinity: phi unless another is named."),
    Field("n_both", "integer", "Blocks in which both are active."),
    Field("n_feature", "integer", "Blocks in which the feature named is active."),
    Field("n_other", "integer", "Blocks in which the feature of this row is active."),
)
LABEL = tuple(of(tables.label, "text", "source", "method", "score"))
"""Of a feature's labels the one that fits best."""
HEARD = (
    Field("recording", "integer", "Recording that the first feature named is read from."),
    Field("peak", "number", "Maximum activation of the first feature named; 0 if none is stored.",
          single=True),
)  # fmt: skip
LOBE = Field("lobe", "integer", "Number of a lobe, from 0: `lobe = 2 of phi k 3`.")
"""A feature has a lobe of each clustering."""

_FEATURES = Kind(
    "features",
    "features",
    (
        *_named(site=True),
        _SAE,
        *of(tables.feature, "feature", "decoder_norm", "threshold"),
        _PAGE,
    ),
    ("sae", "feature"),
    COUNTS,
    vector="decoder",
)
_BLOCKS = Kind(
    "blocks",
    "blocks",
    (
        *of(tables.block, "corpus"),
        _CORPUS_NAME,
        *of(tables.block, "block", "document", "position"),
        _SUBSET,
        _METADATA,
        *of(tables.block, "n_tokens", "text"),
    ),
    ("corpus", "block"),
)
_NAME = Field("name", "text", "The up to three document types that it prefers. NULL if none.")
_LOBES = Kind(
    "lobes",
    "lobes",
    (
        _RUN,
        *of(tables.run, "analysis"),
        *_named(sae_id=False),
        _SAE,
        *of(tables.clustering, "affinity", "k"),
        *of(tables.lobe, "clustering", "lobe"),
        _NAME,
        *of(tables.lobe, "n_features", "modularity", "silhouette", "parent", "parent_share"),
    ),
    ("clustering", "lobe"),
)
BY_SUBSET = Kind(
    "lobes by subset",
    "lobe_subsets",
    (
        *of(tables.subset_lobe, "run"),
        *_named(sae_id=False),
        _SAE,
        Field("lobe_run", "integer", "Run that made the lobes."),
        *of(tables.clustering, "affinity", "k"),
        *of(tables.subset_lobe, "clustering", "lobe", "subset", "n_blocks", "n_top", "top_share"),
        *of(tables.subset_lobe, "mean_share", "enrichment", "enrichment_low", "enrichment_high"),
    ),
    ("run", "clustering", "lobe", "-enrichment", "subset"),
)
"""What ``lobes`` are when asked for ``by subset``."""

_FEATURES_WHERE = Field(
    "features_where", "text", "Condition on the features. NULL if all were taken."
)
_SPECTRA = Kind(
    "spectra",
    "spectra",
    (
        _RUN,
        *of(tables.spectrum, "id=spectrum"),
        *_named(),
        _SAE,
        *of(tables.run, "recording"),
        *of(tables.spectrum, "source"),
        *of(tables.run, "preset"),
        _FEATURES_WHERE,
        *of(tables.spectrum, "clustering"),
        *of(tables.clustering, "affinity", "k"),
        *of(tables.spectrum, "lobe"),
        Field("l0", "number", "Mean number of active features a token, measured or published."),
        *of(tables.spectrum, "n", "d", "n_zero", "n_duplicates", "n_eigenvalues", "variance"),
        *of(tables.spectrum, "rank_first", "rank_last", "slope", "slope_population"),
        *of(tables.spectrum, "slope_low", "slope_high", "slope_least", "slope_most", "r2"),
        *of(tables.spectrum, "alternative", "aic_difference", "log_volume"),
        *of(tables.spectrum, "log_volume_population", "log_volume_low", "log_volume_high"),
        *of(tables.spectrum, "log_volume_fitted", "participation_ratio", "entropy_rank"),
        *of(tables.spectrum, "edge_low", "edge_high", "n_above"),
    ),
    ("layer", "sae", "spectrum"),
)
_MAPS = Kind(
    "maps",
    "maps",
    (
        _RUN,
        *_named(),
        _SAE,
        Field("method", "text", "tsne or pca."),
        Field("source", "text", "Vectors that are mapped: decoder or encoder."),
        _FEATURES_WHERE,
        Field("dimensions", "integer", "2 of maps in the plane, 3 in space."),
        Field("perplexity", "number", "Of tsne: about how many near features count. NULL of pca."),
        Field("n_features", "integer", "Features on it."),
        Field("neighbours_kept", "number", "Share of a feature's ten nearest that are among its "
              "ten nearest on the map; in [0, 1]."),
        Field("neighbours_chance", "number", "The same of a random map."),
        Field("distances_kept", "number", "Spearman's correlation of distances in space with those "
              "on the map; in [-1, 1]."),
        Field("variance_share", "number", "Of pca: share of the variance along its axes; in "
              "[0, 1]. NULL of tsne."),
        Field("finished_at", "time", "When it was made."),
    ),
    ("layer", "sae", "run"),
)  # fmt: skip
_RUNS = Kind(
    "runs",
    "runs",
    (
        _RUN,
        *of(tables.run, "analysis"),
        *_named(),
        *of(tables.run, "sae", "recording", "input_run", "preset", "seed", "params", "quality"),
        *of(tables.run, "code_version", "started_at", "finished_at"),
    ),
    ("run",),
)
_SAES = Kind(
    "saes",
    "saes",
    (
        _SAE,
        *of(tables.sae, "release", "sae_id"),
        *of(tables.model, "name=model"),
        *of(tables.sae, "layer", "site", "hook_name", "architecture", "d_in", "d_sae", "l0"),
        *of(tables.sae, "explained_variance"),
        Field("neuronpedia_url", "text", "Its page on Neuronpedia. NULL if it has none."),
        *of(tables.sae, "created_at"),
        Field("has_encoder", "boolean", "Whether its encoder vectors are in the catalog."),
    ),
    ("sae",),
)
_RECORDINGS = Kind(
    "recordings",
    "recordings",
    (
        Field("recording", "integer", "Number of the recording."),
        *of(tables.recording, "sae"),
        *_named(site=True),
        *of(tables.recording, "corpus"),
        _CORPUS_NAME,
        Field("model", "text", "Model that was run; the name of the file, if it came from a file."),
        *of(tables.recording, "state", "n_documents", "n_blocks", "n_activations", "keep_above"),
        *of(tables.recording, "explained_variance", "l0", "preset", "dtype"),
        *of(tables.corpus, "context_length", "block_length"),
        *of(tables.recording, "started_at", "finished_at"),
        Field("covariance_tokens", "integer", "Tokens in the covariance of what was heard. NULL "
              "if there is none."),
    ),
    ("recording",),
)  # fmt: skip
_DOCUMENTS = Kind(
    "documents",
    "documents",
    (
        *of(tables.document, "corpus"),
        _CORPUS_NAME,
        *of(tables.document, "document", "subset", "metadata", "n_tokens", "n_blocks", "problem"),
    ),
    ("corpus", "document"),
)
_CRYSTALS = Kind(
    "crystals",
    "crystals",
    (
        _RUN,
        *of(tables.crystal, "crystal"),
        Field("function_vector", "integer", "Function vector that its sides follow: its number "
              "within the run. NULL if they follow two."),
        _SAE,
        *_named(site=True),
        *of(tables.crystal, "kind", *"abcd", "quality_before", "quality_after", "length_ratio"),
        *of(tables.crystal, "p", "q"),
    ),
    ("run", "crystal"),
)  # fmt: skip
_FUNCTION_VECTORS = Kind(
    "function vectors",
    "function_vectors",
    (
        _RUN,
        *of(tables.function_vector, "number=function_vector"),
        _SAE,
        *_named(site=True),
        Field("space", "text", "Space of words that it was found in. NULL if it is of an SAE."),
        *of(tables.function_vector, "relation", "n_pairs", "coherence", "coherence_before"),
        *of(tables.function_vector, "n_trials", "null_mean", "null_sd", "z", "p"),
    ),
    ("run", "function_vector"),
    vector="direction",
)
_LABELS = Kind(
    "labels",
    "labels",
    (
        *of(tables.label, "id=label"),
        *_named(),
        _SAE,
        *of(tables.label, "feature", "text", "source", "method", "score", "url"),
        _PAGE,
    ),
    ("sae", "feature", "label"),
)

KINDS = {
    kind.name: kind
    for kind in (
        _FEATURES, _BLOCKS, _LOBES, _SPECTRA, _MAPS, _CRYSTALS, _FUNCTION_VECTORS, _RUNS,
        _SAES, _RECORDINGS, _DOCUMENTS, _LABELS,
    )
}  # fmt: skip
"""By the words that a query begins with."""

BROUGHT = {
    ("features", "near"): (COSINE,),
    ("features", "with"): PARTNER,
    ("features", "about"): LABEL,
    ("function vectors", "near"): (COSINE,),
    ("blocks", "where 12:4821"): HEARD,
}
"""Fields that are there with a clause only, by kind of rows and clause."""
