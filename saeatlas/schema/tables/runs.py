"""The tables of runs, co-occurrence and simulated SAEs: a run, its parameters and its rows."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL, TIMESTAMP

from saeatlas.schema.tables.base import SCHEMA, id_column, metadata, sha256_column, time_column

run = sa.Table(
    "run",
    metadata,
    # a job may reserve its number before it has anything to write
    Column("id", sa.Integer, sa.Identity(), primary_key=True, comment="Number of the row."),
    Column(
        "analysis", sa.Text, nullable=False, comment="Name of the analysis, such as cooccurrence."
    ),
    Column(
        "sae",
        sa.Integer,
        sa.ForeignKey("sae.id", ondelete="CASCADE"),
        comment="SAE that was analysed. NULL if several.",
    ),
    Column(
        "recording",
        sa.Integer,
        sa.ForeignKey("recording.id", ondelete="CASCADE"),
        comment="Recording that was analysed. NULL if the analysis needs none.",
    ),
    Column("preset", sa.Text, comment="paper or default. NULL if the analysis has no presets."),
    Column("params", JSONB, nullable=False, comment="Every parameter, defaults filled in."),
    Column("seed", sa.Integer, comment="Seed of its random numbers. NULL if it draws none."),
    sha256_column(
        "input_sha256", "Hash of what the run read: the same input and parameters, same rows."
    ),
    Column(
        "quality",
        JSONB,
        nullable=False,
        comment="How good the result is by the analysis' own measures, with counts and seconds.",
    ),
    Column("code_version", sa.Text, nullable=False, comment="Version of SAE Atlas."),
    time_column("started_at", "When the run began."),
    Column(
        "finished_at",
        TIMESTAMP(timezone=True),
        nullable=False,
        server_default=sa.text("clock_timestamp()"),
        comment="When its rows were committed, all at once.",
    ),
    Column(
        "input_run",
        sa.Integer,
        sa.ForeignKey("run.id", ondelete="SET NULL"),
        comment="Run whose rows it read, such as the count that lobes come from. NULL if none, "
        "or if it was removed since.",
    ),
    Column(
        "word_space",
        sa.Integer,
        sa.ForeignKey("word_space.id", ondelete="CASCADE"),
        comment="Space of words that was analysed. NULL if none.",
    ),
    CheckConstraint("preset in ('paper', 'default')", name="preset"),
    sa.Index(None, "analysis", "sae"),  # serves the search for a run of some kind
    comment="One analysis with its parameters. It and its rows are committed together.",
)

bitmap = sa.Table(
    "bitmap",
    metadata,
    id_column(),
    Column(
        "recording",
        sa.Integer,
        sa.ForeignKey("recording.id", ondelete="CASCADE"),
        nullable=False,
        comment="Recording whose activations it holds, transposed.",
    ),
    Column(
        "threshold",
        REAL,
        nullable=False,
        comment="A feature is active in a block whose maximum is above this, in units of "
        "activation.",
    ),
    Column(
        "relative",
        sa.Boolean,
        nullable=False,
        comment="Whether each feature's own JumpReLU threshold is added to it.",
    ),
    Column(
        "n_blocks",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Blocks transposed so far: 0 to n_blocks - 1 of the corpus.",
    ),
    sa.UniqueConstraint("recording", "threshold", "relative"),
    comment="Activations of a recording above a threshold, one bit per feature and block.",
)

bitmap_chunk = sa.Table(
    "bitmap_chunk",
    metadata,
    Column(
        "bitmap",
        sa.Integer,
        sa.ForeignKey("bitmap.id", ondelete="CASCADE"),
        primary_key=True,
        comment="Bitmap it belongs to.",
    ),
    Column("chunk", sa.Integer, primary_key=True, comment="Place in the bitmap, from 0."),
    Column("first_block", sa.Integer, nullable=False, comment="First block of the chunk."),
    Column("n_blocks", sa.Integer, nullable=False, comment="Blocks in the chunk."),
    comment="Which blocks a chunk of a bitmap covers. Chunks are never changed, only added.",
)

feature_bitmap = sa.Table(
    "feature_bitmap",
    metadata,
    Column("bitmap", sa.Integer, primary_key=True, comment="Bitmap it belongs to."),
    Column("chunk", sa.Integer, primary_key=True, comment="Chunk of blocks."),
    Column("feature", sa.Integer, primary_key=True, comment="Feature of the recording's SAE."),
    Column("n", sa.Integer, nullable=False, comment="Blocks of the chunk with the feature active."),
    Column(
        "bits",
        sa.dialects.postgresql.BIT(varying=True),
        nullable=False,
        comment="One bit per block of the chunk, 1 where the feature is active, then zeros to a "
        "whole number of 64-bit words.",
    ),
    postgresql_partition_by="LIST (bitmap)",
    comment="The activations transposed: in which blocks a feature is active. A feature that is "
    "active nowhere in a chunk has no row.",
)

cooccurrence_feature = sa.Table(
    "cooccurrence_feature",
    metadata,
    Column(
        "run",
        sa.Integer,
        sa.ForeignKey("run.id", ondelete="CASCADE"),
        primary_key=True,
        comment="Run that counted.",
    ),
    Column("feature", sa.Integer, primary_key=True, comment="Feature of the run's SAE."),
    Column("n", sa.Integer, nullable=False, comment="Blocks in which the feature is active."),
    Column(
        "place",
        sa.Integer,
        comment="Row and column in the table of counts, from 0. NULL if active in fewer than "
        "min_blocks blocks: its pairs were not counted.",
    ),
    sa.Index(None, "run", "place", unique=True),  # serves the way back from places to features
    comment="In how many blocks each feature is active.",
)

TILE = 128
"""Features of a side of a tile of ``cooccurrence``. Views are created with this number."""

cooccurrence = sa.Table(
    "cooccurrence",
    metadata,
    Column("run", sa.Integer, primary_key=True, comment="Run that counted."),
    Column("tile_row", sa.Integer, primary_key=True, comment=f"Place of its first row / {TILE}."),
    Column(
        "tile_column",
        sa.Integer,
        primary_key=True,
        comment=f"Place of its first column / {TILE}; at most tile_row: the lower triangle.",
    ),
    Column(
        "counts",
        ARRAY(sa.Integer, dimensions=2),
        nullable=False,
        comment=f"Blocks in which both are active; {TILE} rows of {TILE} columns, fewer at the "
        "edge.",
    ),
    sa.Index(None, "run", "tile_column"),  # serves the pairs of a feature below its own row
    postgresql_partition_by="LIST (run)",
    comment=f"Counts of pairs in square tiles of {TILE} features. One partition per run.",
)

planted_feature = sa.Table(
    "planted_feature",
    metadata,
    Column(
        "sae",
        sa.Integer,
        sa.ForeignKey("sae.id", ondelete="CASCADE"),
        primary_key=True,
        comment="Simulated SAE.",
    ),
    Column("feature", sa.Integer, primary_key=True, comment="Feature of it."),
    Column("lobe", sa.Integer, comment="Lobe it was planted in, from 0. NULL for a dead feature."),
    Column(
        "density",
        REAL,
        nullable=False,
        comment="Expected share of blocks that it is active in; in [0, 1], 0 for a dead feature.",
    ),
    CheckConstraint("density between 0 and 1", name="density"),
    comment="How a simulated SAE's features were generated: the known answer that an analysis "
    "should find.",
)

planted_crystal = sa.Table(
    "planted_crystal",
    metadata,
    Column(
        "sae",
        sa.Integer,
        sa.ForeignKey("sae.id", ondelete="CASCADE"),
        primary_key=True,
        comment="Simulated SAE.",
    ),
    Column("crystal", sa.Integer, primary_key=True, comment="Number of the crystal, from 0."),
    Column("kind", sa.Text, nullable=False, comment="parallelogram or trapezoid."),
    Column(
        "function_vector",
        sa.Integer,
        nullable=False,
        comment="Number of the direction that b - a and d - c follow, from 0.",
    ),
    *(
        Column(corner, sa.Integer, nullable=False, comment=f"Feature at the corner {corner}.")
        for corner in "abcd"
    ),
    CheckConstraint("kind in ('parallelogram', 'trapezoid')", name="kind"),
    comment="Crystals planted among a simulated SAE's decoder vectors: b - a is parallel to d - c.",
)

# bitmaps do not shrink under pglz, and counts hardly; reading them must be quick
COUNTS_AS_THEY_ARE = (
    f"alter table {SCHEMA}.feature_bitmap alter column bits set storage external",
    f"alter table {SCHEMA}.cooccurrence alter column counts set storage external",
)
for _table, _ddl in zip((feature_bitmap, cooccurrence), COUNTS_AS_THEY_ARE, strict=True):
    sa.event.listen(_table, "after_create", sa.DDL(_ddl))  # type: ignore[no-untyped-call]
