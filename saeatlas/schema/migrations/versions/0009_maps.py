"""Maps: features as points of a plane or of space."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "coordinate",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that made the map: maps."),
        sa.Column(
            "feature",
            sa.Integer(),
            nullable=False,
            comment="Feature of the run's SAE. Those whose vectors have no direction, or were not chosen, have no row.",
        ),
        sa.Column(
            "x",
            sa.REAL(),
            nullable=False,
            comment="First coordinate. Method pca: along the first principal axis of unit vectors, less their mean; tsne: in no unit.",
        ),
        sa.Column("y", sa.REAL(), nullable=False, comment="Second coordinate."),
        sa.Column(
            "z", sa.REAL(), nullable=True, comment="Third coordinate. NULL of maps in the plane."
        ),
        sa.CheckConstraint(
            "greatest(abs(x), abs(y), abs(z)) < 'infinity'", name=op.f("ck_coordinate_finite")
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_coordinate_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "feature", name=op.f("pk_coordinate")),
        schema="atlas",
        comment="Where a map puts a feature.",
    )
