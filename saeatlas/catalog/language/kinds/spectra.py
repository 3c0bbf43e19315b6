"""``spectra``: eigenvalues of sets of vectors, and the slopes fitted to them."""

from saeatlas.catalog.language import views
from saeatlas.catalog.language.field_types import Field, Kind, columns
from saeatlas.catalog.language.fields import FEATURES_WHERE, RUN, SAE, sae_names
from saeatlas.schema import tables

SPECTRA = Kind(
    name="spectra",
    view="spectra",
    fields=(
        RUN,
        *columns(tables.spectrum, "id=spectrum"),
        *sae_names(),
        SAE,
        *columns(tables.run, "recording"),
        *columns(tables.spectrum, "source"),
        *columns(tables.run, "preset"),
        FEATURES_WHERE,
        *columns(tables.spectrum, "clustering"),
        *columns(tables.clustering, "affinity", "k"),
        *columns(tables.spectrum, "lobe"),
        Field("l0", "number", "Mean number of active features per token, measured or published."),
        *columns(tables.spectrum, "n", "d", "n_zero", "n_duplicates", "n_eigenvalues", "variance"),
        *columns(tables.spectrum, "rank_first", "rank_last", "slope", "slope_population"),
        *columns(tables.spectrum, "slope_low", "slope_high", "slope_least", "slope_most", "r2"),
        *columns(tables.spectrum, "alternative", "aic_difference", "log_volume"),
        *columns(tables.spectrum, "log_volume_population", "log_volume_low", "log_volume_high"),
        *columns(tables.spectrum, "log_volume_fitted", "participation_ratio", "entropy_rank"),
        *columns(tables.spectrum, "edge_low", "edge_high", "n_above"),
    ),
    order=("layer", "sae", "spectrum"),
    clauses=("of", "in", "in run", "in recording"),
    compile=views.select_rows,
)
