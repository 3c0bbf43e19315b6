"""``runs``: of analyses, with parameters and quality."""

from saeatlas.catalog.language import views
from saeatlas.catalog.language.field_types import Kind, columns
from saeatlas.catalog.language.fields import RUN, sae_names
from saeatlas.schema import tables

RUNS = Kind(
    name="runs",
    view="runs",
    fields=(
        RUN,
        *columns(tables.run, "analysis"),
        *sae_names(),
        *columns(
            tables.run, "sae", "recording", "input_run", "preset", "seed", "params", "quality"
        ),
        *columns(tables.run, "code_version", "started_at", "finished_at"),
    ),
    order=("run",),
    clauses=("of", "in", "in recording"),
    compile=views.select_rows,
)
