"""``recordings``: activations of SAEs on corpora."""

from saeatlas.catalog.language import views
from saeatlas.catalog.language.field_types import Field, Kind, columns
from saeatlas.catalog.language.fields import CORPUS_NAME, sae_names
from saeatlas.schema import tables

RECORDINGS = Kind(
    name="recordings",
    view="recordings",
    fields=(
        Field("recording", "integer", "Number of the recording."),
        *columns(tables.recording, "sae"),
        *sae_names(site=True),
        *columns(tables.recording, "corpus"),
        CORPUS_NAME,
        Field("model", "text", "Model that was run; the name of the file, if it came from a file."),
        *columns(
            tables.recording, "state", "n_documents", "n_blocks", "n_activations", "keep_above"
        ),
        *columns(tables.recording, "explained_variance", "l0", "preset", "dtype"),
        *columns(tables.corpus, "context_length", "block_length", "prepend_bos"),
        *columns(tables.recording, "started_at", "finished_at"),
        Field(
            "covariance_tokens",
            "integer",
            "Tokens in the covariance of the input activations. NULL if there is none.",
        ),
    ),
    order=("recording",),
    clauses=("of", "in", "in corpus"),
    compile=views.select_rows,
)
