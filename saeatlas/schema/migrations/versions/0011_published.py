"""SAEs without weights; published clusterings and attributes; the agreement of clusterings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

_NULLABLE = (
    ("sae", "d_in"), ("sae", "weights_sha256"), ("feature", "decoder"), ("feature", "decoder_norm"),
    ("clustering", "ncut"), ("clustering", "modularity"), ("lobe", "modularity"),
)  # fmt: skip

_COMMENTS = {
    "sae.d_in": "Width of a decoder vector; also of the SAE's input, except for transcoders. NULL if it was ingested without weights.",
    "sae.architecture": "sae-lens' name, such as jumprelu or topk. NULL for a bare decoder and without weights.",
    "sae.source": "Repository or folder it was read from; `without weights` if it was not.",
    "sae.weights_sha256": "Hash of all weights and of what changes their meaning. NULL if it was ingested without weights. 32 bytes.",
    "feature.decoder": "Decoder vector, row of W_dec as stored in the weights, not normalised; d_in long. NULL if the SAE was ingested without weights.",
    "feature.decoder_norm": "Euclidean length of decoder. NULL where that is.",
    "clustering.run": "Run that made it: lobes or geometry; lobes for a published clustering too.",
    "clustering.affinity": "What was clustered: phi, jaccard, dice, overlap, simple_matching; angular for decoder vectors. Of a published clustering: the name of the level in its file.",
    "clustering.k": "Number of lobes requested; of a published clustering, that of its clusters.",
    "clustering.ncut": "Normalised cut: the sum over lobes of the share of their affinity that leaves them; in [0, n_lobes]. NULL if published.",
    "clustering.modularity": "Modularity: share of affinity within lobes minus the share expected from the features' sums of affinity. NULL if published.",
    "clustering.silhouette": "Mean silhouette of features, distance 1 - affinity; in [-1, 1]. NULL for one lobe, and if published.",
    "lobe.lobe": "Number, from 0: the largest first, ties by lowest member. Of a published clustering: the file's own numbers, if these are 0 to k - 1.",
    "lobe.modularity": "Its part of the modularity. NULL if published.",
    "lobe.silhouette": "Mean silhouette of its features. NULL if it is the only lobe, and if published.",
    "lobe.parent": "Lobe of the next smaller k of the same affinity and run that contains most of its features; the lowest number if several do. NULL for the smallest k, and if published.",
    "lobe.name": "Of a published clustering: what its file calls the cluster. NULL otherwise.",
}


def upgrade() -> None:
    """Change the tables."""
    for table, column in _NULLABLE:
        op.alter_column(table, column, nullable=True, schema="atlas")
    op.create_check_constraint(
        op.f("ck_sae_weights"), "sae", "(d_in is null) = (weights_sha256 is null)", schema="atlas"
    )
    op.add_column(
        "lobe",
        sa.Column("name", sa.Text(), comment=_COMMENTS["lobe.name"]),
        schema="atlas",
    )
    _create_agreement()
    _create_attributes()
    for name, comment in _COMMENTS.items():
        table, _, column = name.partition(".")
        op.alter_column(table, column, comment=comment, schema="atlas")


def _create_agreement() -> None:
    op.create_table(
        "agreement",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that compared: agreement."),
        sa.Column("clustering", sa.Integer(), nullable=False, comment="A clustering."),
        sa.Column(
            "other",
            sa.Integer(),
            nullable=False,
            comment="Clustering that it was compared with.",
        ),
        sa.Column(
            "n",
            sa.Integer(),
            nullable=False,
            comment="Features that have a lobe in both.",
        ),
        sa.Column(
            "ami",
            postgresql.DOUBLE_PRECISION(),
            comment="Adjusted mutual information of the lobes of these features: 1 for the same partition, 0 on average for unrelated ones. NULL without a feature in common.",
        ),
        *_references("agreement", run="run", clustering="clustering", other="clustering"),
        sa.PrimaryKeyConstraint("run", "clustering", "other", name=op.f("pk_agreement")),
        schema="atlas",
        comment="How far two clusterings of the same features agree.",
    )


def _create_attributes() -> None:
    op.create_table(
        "attribute",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "run", sa.Integer(), nullable=False, comment="Run that it came with: attributes."
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="Its name in the file."),
        sa.Column("type", sa.Text(), nullable=False, comment="number or text."),
        sa.Column(
            "n_features", sa.Integer(), nullable=False, comment="Features that have a value."
        ),
        sa.CheckConstraint("type in ('number', 'text')", name=op.f("ck_attribute_type")),
        *_references("attribute", run="run"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attribute")),
        sa.UniqueConstraint("run", "name", name=op.f("uq_attribute_run_name")),
        schema="atlas",
        comment="What is known of each feature from elsewhere, such as a score: one column of a file.",
    )
    op.create_table(
        "attribute_value",
        sa.Column("attribute", sa.Integer(), nullable=False, comment="Attribute."),
        sa.Column(
            "feature",
            sa.Integer(),
            nullable=False,
            comment="Feature of the run's SAE. One without a value has no row.",
        ),
        sa.Column(
            "number",
            postgresql.DOUBLE_PRECISION(),
            comment="The value, in the unit of the file. NULL for texts.",
        ),
        sa.Column("text", sa.Text(), comment="The value. NULL for numbers."),
        sa.CheckConstraint("num_nonnulls(number, text) = 1", name=op.f("ck_attribute_value_value")),
        *_references("attribute_value", attribute="attribute"),
        sa.PrimaryKeyConstraint("attribute", "feature", name=op.f("pk_attribute_value")),
        schema="atlas",
        comment="The value of an attribute for each feature.",
    )


def _references(table: str, **columns: str) -> list[sa.ForeignKeyConstraint]:
    """Refer to rows of other tables, and go with them."""
    return [
        sa.ForeignKeyConstraint(
            [column],
            [f"atlas.{target}.id"],
            name=op.f(f"fk_{table}_{column}_{target}"),
            ondelete="CASCADE",
        )
        for column, target in columns.items()
    ]
