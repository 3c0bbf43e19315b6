"""``documents``: of corpora."""

from saeatlas.catalog.language import views
from saeatlas.catalog.language.field_types import Kind, columns
from saeatlas.catalog.language.fields import CORPUS_NAME
from saeatlas.schema import tables

DOCUMENTS = Kind(
    name="documents",
    view="documents",
    fields=(
        *columns(tables.document, "corpus"),
        CORPUS_NAME,
        *columns(
            tables.document, "document", "subset", "metadata", "n_tokens", "n_blocks", "problem"
        ),
    ),
    order=("corpus", "document"),
    clauses=("in corpus",),
    compile=views.select_rows,
)
