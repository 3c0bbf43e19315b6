"""``saes``: sparse autoencoders."""

from saeatlas.catalog.language import views
from saeatlas.catalog.language.field_types import Field, Kind, columns
from saeatlas.catalog.language.fields import SAE
from saeatlas.schema import tables

SAES = Kind(
    name="saes",
    view="saes",
    fields=(
        SAE,
        *columns(tables.sae, "release", "sae_id"),
        *columns(tables.model, "name=model"),
        *columns(tables.sae, "layer", "site", "hook_name", "architecture", "d_in", "d_sae", "l0"),
        *columns(tables.sae, "explained_variance"),
        Field("neuronpedia_url", "text", "Its page on Neuronpedia. NULL if it has none."),
        *columns(tables.sae, "created_at"),
        Field("has_encoder", "boolean", "Whether its encoder vectors are in the catalog."),
        Field("has_weights", "boolean", "Whether its decoder vectors are in the catalog."),
    ),
    order=("sae",),
    clauses=("of", "in"),
    compile=views.select_rows,
)
