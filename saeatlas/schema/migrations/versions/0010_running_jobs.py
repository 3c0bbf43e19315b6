"""Jobs that run lock a row."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "running_job",
        sa.Column("kind", sa.Text(), nullable=False, comment="Kind of job, as lobes."),
        sa.Column(
            "key", postgresql.BYTEA(), nullable=False, comment="What makes two jobs the same one."
        ),
        sa.Column(
            "started_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was written.",
        ),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_running_job")),
        schema="atlas",
        comment="Jobs that run now, or were killed. A running job has its row locked, so that no other process does the same; logins without rights on the table cannot lock it.",
    )
    op.execute(
        "update atlas.run set quality = (quality - 'remarks') "
        "|| jsonb_build_object('notes', quality -> 'remarks') where quality ? 'remarks'"
    )
