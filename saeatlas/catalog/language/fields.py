"""Fields that several kinds of rows share: columns of views, with comments.

A comment stands once, at the column of the table that the view takes it from. Only what a view
computes is explained here.
"""

from collections.abc import Iterator

from saeatlas.catalog.language.field_types import Field, columns
from saeatlas.schema import tables


def sae_names(*, sae_id: bool = True, site: bool = False) -> Iterator[Field]:
    """Yield the columns that name an SAE: release, sae_id, layer, site.

    Parameters
    ----------
    sae_id, site : bool
        Whether the view has these.

    Yields
    ------
    Field
    """
    names = ["release", *["sae_id"] * sae_id, "layer", *["site"] * site]
    yield from columns(tables.sae, *names)


SAE = Field("sae", "integer", "Number of the SAE.")
RUN = Field("run", "integer", "Number of the run.")
FEATURE_PAGE = Field(
    "neuronpedia_url", "text", "The feature's page on Neuronpedia. NULL if it has none."
)
CORPUS_NAME = next(columns(tables.corpus, "name=corpus_name"))
FEATURES_WHERE = Field(
    "features_where", "text", "Condition on the features. NULL if all were taken."
)
COSINE = Field(
    "cosine",
    "number",
    "Cosine with the vector that `near` names; in [-1, 1]. NULL for a vector of length 0.",
)
