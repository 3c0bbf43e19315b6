"""Running jobs lock a row; columns and keys get the names that the field uses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
_COMMENTS = {
    "clustering": "A clustering of features into lobes, by one affinity and one k.",
    "clustering.k": "Number of lobes requested.",
    "clustering.n_lobes": "Number of lobes found; at most k.",
    "clustering.n_features": "Features that were clustered.",
    "clustering.seed_stability": "Mean adjusted mutual information with the clusterings of other seeds. NULL if not measured.",
    "clustering.half_stability": "Adjusted mutual information of the clusterings of two halves of the documents. NULL if not measured.",
    "lobe": "A lobe: a cluster of features that are active together.",
    "lobe_test": "Tests of whether lobes are spatial: a statistic against a null, one-sided.",
    "lobe_test.statistic": "ami: adjusted mutual information with clusters of the decoder vectors; accuracy: balanced accuracy of logistic regression from decoder vector to lobe, on held-out features.",
    "block_lobe": "How active each lobe is in a block, and its top lobe. One partition a run.",
    "block_lobe.run": "Run that made it: subsets.",
    "block_lobe.lobe": "The top lobe. Default: the one whose number of active features exceeds most the number expected from their frequencies, in standard deviations. Preset paper: the one of the largest share. NULL for a tie and for a block without active features.",
    "subset_lobe": "Lobes by document type: the share of blocks whose top lobe each is.",
    "subset_lobe.run": "Run that made it: subsets.",
    "subset_lobe.n_blocks": "Blocks of the type that were evaluated.",
    "subset_lobe.n_top": "Those of them whose top lobe it is.",
    "subset_lobe.top_share": "n_top / n_blocks; in [0, 1].",
    "subset_lobe.enrichment": "top_share over the same share of all blocks; 1 for no preference. NULL if it is the top lobe of no block.",
}


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
    _rename_column("subset_lobe", "n_won", "n_top")
    _rename_column("subset_lobe", "won_share", "top_share")
    for table, old, new in (
        ("corpus", "uq_corpus_cut", "uq_corpus_source"),
        ("recording", "uq_recording_terms", "uq_recording_params"),
    ):
        op.execute(f"alter table atlas.{table} rename constraint {old} to {new}")
    for name, comment in _COMMENTS.items():
        table, _, column = name.partition(".")
        if column:
            op.alter_column(table, column, comment=comment, schema="atlas")
        else:
            op.create_table_comment(table, comment, schema="atlas")


def _rename_column(table: str, old: str, new: str) -> None:
    """Rename a column, and its NOT NULL constraint: from PostgreSQL 18 on it is named after it."""
    op.alter_column(table, old, new_column_name=new, schema="atlas")
    names = {"table": f"atlas.{table}", "constraint": f"{table}_{old}_not_null"}
    found = sa.text(
        "select from pg_catalog.pg_constraint where conrelid = cast(:table as regclass) "
        "and conname = :constraint"
    )
    if op.get_bind().execute(found, names).rowcount:
        op.execute(
            f"alter table atlas.{table} rename constraint {table}_{old}_not_null "
            f"to {table}_{new}_not_null"
        )
