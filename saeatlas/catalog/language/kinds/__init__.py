"""The kinds of rows that a query can begin with: a module each, which declares all about it.

A new kind is a new module with a `Kind`, and its name in `KINDS`. Grammar, completion, pages and
tests read the declaration.
"""

from saeatlas.catalog.language.field_types import Kind
from saeatlas.catalog.language.kinds.blocks import BLOCKS
from saeatlas.catalog.language.kinds.crystals import CRYSTALS
from saeatlas.catalog.language.kinds.documents import DOCUMENTS
from saeatlas.catalog.language.kinds.features import FEATURES
from saeatlas.catalog.language.kinds.function_vectors import FUNCTION_VECTORS
from saeatlas.catalog.language.kinds.labels import LABELS
from saeatlas.catalog.language.kinds.lobes import LOBES
from saeatlas.catalog.language.kinds.maps import MAPS
from saeatlas.catalog.language.kinds.recordings import RECORDINGS
from saeatlas.catalog.language.kinds.runs import RUNS
from saeatlas.catalog.language.kinds.saes import SAES
from saeatlas.catalog.language.kinds.spectra import SPECTRA

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        FEATURES, BLOCKS, LOBES, SPECTRA, MAPS, CRYSTALS, FUNCTION_VECTORS, RUNS, SAES, RECORDINGS,
        DOCUMENTS, LABELS,
    )
}  # fmt: skip
"""By the words that a query begins with."""
