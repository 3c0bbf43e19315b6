"""Runs of analyses, co-occurrence, and what simulated SAEs were made to be."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "cooccurrence",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that counted."),
        sa.Column(
            "tile_row", sa.Integer(), nullable=False, comment="Place of its first row / 128."
        ),
        sa.Column(
            "tile_column",
            sa.Integer(),
            nullable=False,
            comment="Place of its first column / 128; at most tile_row: the lower triangle.",
        ),
        sa.Column(
            "counts",
            postgresql.ARRAY(sa.Integer(), dimensions=2),
            nullable=False,
            comment="Blocks in which both are active; 128 rows of 128 columns, fewer at the edge.",
        ),
        sa.PrimaryKeyConstraint("run", "tile_row", "tile_column", name=op.f("pk_cooccurrence")),
        schema="atlas",
        comment="Counts of pairs in square tiles of 128 features. One partition a run.",
        postgresql_partition_by="LIST (run)",
    )
    op.create_index(
        op.f("ix_cooccurrence_run_tile_column"),
        "cooccurrence",
        ["run", "tile_column"],
        unique=False,
        schema="atlas",
    )
    op.create_table(
        "feature_bitmap",
        sa.Column("bitmap", sa.Integer(), nullable=False, comment="Bitmap it belongs to."),
        sa.Column("chunk", sa.Integer(), nullable=False, comment="Chunk of blocks."),
        sa.Column(
            "feature", sa.Integer(), nullable=False, comment="Feature of the recording's SAE."
        ),
        sa.Column(
            "n",
            sa.Integer(),
            nullable=False,
            comment="Blocks of the chunk with the feature active.",
        ),
        sa.Column(
            "bits",
            postgresql.BIT(varying=True),
            nullable=False,
            comment="A bit a block of the chunk, 1 where the feature is active, then zeros to a whole number of 64-bit words.",
        ),
        sa.PrimaryKeyConstraint("bitmap", "chunk", "feature", name=op.f("pk_feature_bitmap")),
        schema="atlas",
        comment="The activations turned around: where a feature is active. A feature active nowhere in a chunk has no row.",
        postgresql_partition_by="LIST (bitmap)",
    )
    op.create_table(
        "planted_crystal",
        sa.Column("sae", sa.Integer(), nullable=False, comment="Simulated SAE."),
        sa.Column(
            "crystal", sa.Integer(), nullable=False, comment="Number of the crystal, from 0."
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="parallelogram or trapezoid."),
        sa.Column(
            "function_vector",
            sa.Integer(),
            nullable=False,
            comment="Number of the direction that b - a and d - c follow, from 0.",
        ),
        sa.Column("a", sa.Integer(), nullable=False, comment="Feature at the corner a."),
        sa.Column("b", sa.Integer(), nullable=False, comment="Feature at the corner b."),
        sa.Column("c", sa.Integer(), nullable=False, comment="Feature at the corner c."),
        sa.Column("d", sa.Integer(), nullable=False, comment="Feature at the corner d."),
        sa.CheckConstraint(
            "kind in ('parallelogram', 'trapezoid')", name=op.f("ck_planted_crystal_kind")
        ),
        sa.ForeignKeyConstraint(
            ["sae"], ["atlas.sae.id"], name=op.f("fk_planted_crystal_sae_sae"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sae", "crystal", name=op.f("pk_planted_crystal")),
        schema="atlas",
        comment="Crystals planted among a simulated SAE's decoder vectors: b - a is parallel to d - c.",
    )
    op.create_table(
        "planted_feature",
        sa.Column("sae", sa.Integer(), nullable=False, comment="Simulated SAE."),
        sa.Column("feature", sa.Integer(), nullable=False, comment="Feature of it."),
        sa.Column(
            "lobe",
            sa.Integer(),
            nullable=True,
            comment="Lobe it was planted in, from 0. NULL for a dead feature.",
        ),
        sa.Column(
            "density",
            sa.REAL(),
            nullable=False,
            comment="Share of blocks it was meant to be active in; in [0, 1], 0 for a dead feature.",
        ),
        sa.CheckConstraint("density between 0 and 1", name=op.f("ck_planted_feature_density")),
        sa.ForeignKeyConstraint(
            ["sae"], ["atlas.sae.id"], name=op.f("fk_planted_feature_sae_sae"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sae", "feature", name=op.f("pk_planted_feature")),
        schema="atlas",
        comment="What a simulated SAE's features were made to be: what analyses should find.",
    )
    op.create_table(
        "bitmap",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "recording",
            sa.Integer(),
            nullable=False,
            comment="Recording whose activations it turns around.",
        ),
        sa.Column(
            "threshold",
            sa.REAL(),
            nullable=False,
            comment="A feature is active in a block whose maximum is above this, in units of activation.",
        ),
        sa.Column(
            "relative",
            sa.Boolean(),
            nullable=False,
            comment="Whether each feature's own JumpReLU threshold is added to it.",
        ),
        sa.Column(
            "n_blocks",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Blocks turned around so far: 0 to n_blocks - 1 of the corpus.",
        ),
        sa.ForeignKeyConstraint(
            ["recording"],
            ["atlas.recording.id"],
            name=op.f("fk_bitmap_recording_recording"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bitmap")),
        sa.UniqueConstraint(
            "recording",
            "threshold",
            "relative",
            name=op.f("uq_bitmap_recording_threshold_relative"),
        ),
        schema="atlas",
        comment="Activations of a recording above a threshold, one bit a feature and block.",
    )
    op.create_table(
        "run",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=False),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "analysis", sa.Text(), nullable=False, comment="Name of the analysis, as cooccurrence."
        ),
        sa.Column(
            "sae", sa.Integer(), nullable=True, comment="SAE that was analysed. NULL if several."
        ),
        sa.Column(
            "recording",
            sa.Integer(),
            nullable=True,
            comment="Recording that was analysed. NULL if the analysis needs none.",
        ),
        sa.Column(
            "preset",
            sa.Text(),
            nullable=True,
            comment="paper or default. NULL if the analysis has no presets.",
        ),
        sa.Column(
            "params",
            postgresql.JSONB(),
            nullable=False,
            comment="Every parameter, defaults filled in.",
        ),
        sa.Column(
            "seed",
            sa.Integer(),
            nullable=True,
            comment="Seed of its random numbers. NULL if it draws none.",
        ),
        sa.Column(
            "input_sha256",
            postgresql.BYTEA(),
            nullable=False,
            comment="Hash of what the run read: the same input and parameters, same rows. 32 bytes.",
        ),
        sa.Column(
            "quality",
            postgresql.JSONB(),
            nullable=False,
            comment="What the analysis says of its own result, as counts and seconds.",
        ),
        sa.Column("code_version", sa.Text(), nullable=False, comment="Version of SAE Atlas."),
        sa.Column(
            "started_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the run began.",
        ),
        sa.Column(
            "finished_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="When its rows were committed, all at once.",
        ),
        sa.CheckConstraint("preset in ('paper', 'default')", name=op.f("ck_run_preset")),
        sa.ForeignKeyConstraint(
            ["recording"],
            ["atlas.recording.id"],
            name=op.f("fk_run_recording_recording"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["sae"], ["atlas.sae.id"], name=op.f("fk_run_sae_sae"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        schema="atlas",
        comment="One analysis with its parameters. It and its rows are committed together.",
    )
    op.create_index(
        op.f("ix_run_analysis_sae"), "run", ["analysis", "sae"], unique=False, schema="atlas"
    )
    op.create_table(
        "bitmap_chunk",
        sa.Column("bitmap", sa.Integer(), nullable=False, comment="Bitmap it belongs to."),
        sa.Column("chunk", sa.Integer(), nullable=False, comment="Place in the bitmap, from 0."),
        sa.Column("first_block", sa.Integer(), nullable=False, comment="First block of the chunk."),
        sa.Column("n_blocks", sa.Integer(), nullable=False, comment="Blocks in the chunk."),
        sa.ForeignKeyConstraint(
            ["bitmap"],
            ["atlas.bitmap.id"],
            name=op.f("fk_bitmap_chunk_bitmap_bitmap"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("bitmap", "chunk", name=op.f("pk_bitmap_chunk")),
        schema="atlas",
        comment="Which blocks a chunk of a bitmap covers. Chunks are never changed, only added.",
    )
    op.create_table(
        "cooccurrence_feature",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that counted."),
        sa.Column("feature", sa.Integer(), nullable=False, comment="Feature of the run's SAE."),
        sa.Column(
            "n", sa.Integer(), nullable=False, comment="Blocks in which the feature is active."
        ),
        sa.Column(
            "place",
            sa.Integer(),
            nullable=True,
            comment="Row and column in the table of counts, from 0. NULL if active in fewer than min_blocks blocks: its pairs were not counted.",
        ),
        sa.ForeignKeyConstraint(
            ["run"],
            ["atlas.run.id"],
            name=op.f("fk_cooccurrence_feature_run_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run", "feature", name=op.f("pk_cooccurrence_feature")),
        schema="atlas",
        comment="In how many blocks each feature is active.",
    )
    op.create_index(
        op.f("ix_cooccurrence_feature_run_place"),
        "cooccurrence_feature",
        ["run", "place"],
        unique=True,
        schema="atlas",
    )
    op.execute("alter table atlas.feature_bitmap alter column bits set storage external")
    op.execute("alter table atlas.cooccurrence alter column counts set storage external")
