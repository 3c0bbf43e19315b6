"""``maps``: the features of an SAE in the plane or in space."""

from saeatlas.catalog.language import views
from saeatlas.catalog.language.field_types import Field, Kind
from saeatlas.catalog.language.fields import FEATURES_WHERE, RUN, SAE, sae_names

MAPS = Kind(
    name="maps",
    view="maps",
    fields=(
        RUN,
        *sae_names(),
        SAE,
        Field("method", "text", "tsne or pca; of a published map as named."),
        Field(
            "source",
            "text",
            "Vectors that are mapped: decoder or encoder; published if the map came from a file.",
        ),
        FEATURES_WHERE,
        Field("dimensions", "integer", "2 of maps in the plane, 3 in space."),
        Field("perplexity", "number", "tsne only: effective number of neighbours. NULL for pca."),
        Field("n_features", "integer", "Features on it."),
        Field(
            "neighbours_kept",
            "number",
            "Share of a feature's ten nearest that are among its "
            "ten nearest on the map; in [0, 1].",
        ),
        Field("neighbours_chance", "number", "The same of a random map."),
        Field(
            "distances_kept",
            "number",
            "Spearman's correlation of distances in space with those on the map; in [-1, 1].",
        ),
        Field(
            "variance_share",
            "number",
            "pca only: share of the variance along its axes; in [0, 1]. NULL for tsne.",
        ),
        Field("finished_at", "time", "When it was made."),
    ),
    order=("layer", "sae", "run"),
    clauses=("of", "in", "in run"),
    compile=views.select_rows,
)
