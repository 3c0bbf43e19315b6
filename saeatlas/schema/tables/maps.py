"""The table of maps: features as points of a plane or of space."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import REAL

from saeatlas.schema.tables.base import metadata
from saeatlas.schema.tables.runs import run

AXES = ("x", "y", "z")

coordinate = sa.Table(
    "coordinate",
    metadata,
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), primary_key=True,
           comment="Run that made the map: maps."),
    Column("feature", sa.Integer, primary_key=True, comment="Feature of the run's SAE. Those whose "
           "vectors have no direction, or were not chosen, have no row."),
    Column("x", REAL, nullable=False, comment="First coordinate. Method pca: along the first "
           "principal axis of unit vectors, minus their mean; tsne: in no unit."),
    Column("y", REAL, nullable=False, comment="Second coordinate."),
    Column("z", REAL, comment="Third coordinate. NULL for maps in the plane."),
    CheckConstraint("greatest(abs(x), abs(y), abs(z)) < 'infinity'", name="finite"),
    comment="Coordinates of a feature on a map.",
)  # fmt: skip
