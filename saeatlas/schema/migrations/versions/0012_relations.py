"""Runs over the relations of words are named so; indices of decoder vectors are of unit vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Change the tables."""
    op.execute(
        "update atlas.run set analysis = 'relations' where analysis = 'crystals' and sae is null"
    )
    op.alter_column(
        "function_vector",
        "run",
        comment="Run that made it: crystals or relations.",
        schema="atlas",
    )
    op.alter_column(
        "sae",
        "architecture",
        comment="sae-lens' name, such as jumprelu or topk, or its trainer's, such as groupmax. NULL for a bare decoder and without weights.",
        schema="atlas",
    )
    # those of vectors as stored would not be used any more; `saeatlas db index` builds new ones
    indices = sa.text(
        "select relname from pg_catalog.pg_class "
        "where relnamespace = 'atlas'::regnamespace and relkind = 'i' "
        "and relname ~ '^feature_[0-9]+_near$'"
    )
    for name in op.get_bind().execute(indices).scalars().all():
        op.drop_index(name, schema="atlas")
