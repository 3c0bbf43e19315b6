"""Running jobs lock a row; columns and keys get the names that the field uses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"

_COMMENTS = {
    "corpus": "Documents, tokenised and split into blocks. All SAEs recorded on a corpus share its blocks.",
    "corpus.name": "Hub id or file name. Several corpora may share it: the same documents, split differently.",
    "corpus.tokenizer_sha256": "Hash of the tokenizer. NULL if tokenised elsewhere. 32 bytes.",
    "corpus.min_tokens": "Length in tokens of the shortest last block that is stored: block_length drops every partial one, 1 drops none. NULL if tokenised elsewhere.",
    "corpus.prepend_bos": "Whether BOS is put before each document; it is in no block. NULL if tokenised elsewhere.",
    "corpus.text_field": "Field read as text. NULL if tokenised elsewhere.",
    "corpus.n_blocks": "Blocks made so far.",
    "document.n_tokens": "Tokens read, BOS not counted; at most the context. 0 if empty or unreadable. NULL if tokenised elsewhere and not known.",
    "document.n_blocks": "Blocks that it was split into; may be 0.",
    "document.text_sha256": "Hash of the text in UTF-8; of the tokens, as int64, if tokenised elsewhere. NULL if unreadable or not known. 32 bytes.",
    "block.document": "Document that it is a part of.",
    "block.n_tokens": "Tokens in the block. NULL if tokenised elsewhere and not known.",
    "block.text": "Decoded text; U+FFFD stands for NUL, which PostgreSQL cannot store. NULL if ingested without --text.",
    "run.quality": "How good the result is by the analysis' own measures, with counts and seconds.",
    "bitmap.recording": "Recording whose activations it holds, transposed.",
    "bitmap.n_blocks": "Blocks transposed so far: 0 to n_blocks - 1 of the corpus.",
    "feature_bitmap": "The activations transposed: in which blocks a feature is active. A feature that is active nowhere in a chunk has no row.",
    "planted_feature": "How a simulated SAE's features were generated: the known answer that an analysis should find.",
    "planted_feature.density": "Expected share of blocks that it is active in; in [0, 1], 0 for a dead feature.",
    "function_vector.coherence": "Mean cosine of a pair's difference with that of each other pair, after distractors were projected out; in [-1, 1]. NULL for one pair.",
    "function_vector.coherence_before": "The same before distractors were projected out.",
    "function_vector.n_trials": "Times that partners were shuffled. 0 for features: their pairs were chosen for being parallel.",
    "function_vector.p": "(r + 1) / (n_trials + 1), r of the shuffles being at least as coherent; in (0, 1].",
    "function_vector.direction": "Unit vector along the mean of the pairs' differences, each scaled to length 1. In the space of the vectors before projection.",
    "function_vector_member.a": "Feature where the difference begins. NULL for words.",
    "function_vector_member.b": "Feature where it ends. NULL for words.",
    "function_vector_member.input": "Word where it begins. NULL for features.",
    "function_vector_member.output": "Word where it ends. NULL for features.",
    "function_vector_member.cosine": "Cosine of b - a with the mean of the other differences, after distractors were projected out. NULL where there is no other.",
    "crystal.quality_before": "As quality_after, before distractors were projected out.",
    "crystal.quality_after": "The smaller of two cosines, after distractors were projected out: of the sides b - a and d - c, and of c - a and d - b minus their components along these sides. 1 for a perfect crystal.",
    "crystal.p": "p-value: probability that four vectors of a Gaussian of the same covariance form a crystal at least as good; in [0, 1].",
    "crystal.q": "False discovery rate: expected share of false findings among the crystals that are at least as good; in [0, 1].",
    "distractor.direction": "Unit vector u: the projection takes (x - mean) u from each vector x, in the space of the vectors before projection.",
    "separation.components": "Number of linear discriminants (LDA) that the differences of word pairs were projected on. 0: not projected.",
    "separation.silhouette": "Silhouette of the relations among the differences, in [-1, 1]. Too optimistic: the discriminants were fitted to the same differences.",
    "separation.held_out": "The same of held-out differences, by cross-validation. With 0 components equal to silhouette.",
    "sae.model": "Model that the SAE was trained on. NULL if its files do not name it.",
    "sae.hook_name": "Input site in the model, by its TransformerLens name. NULL for a bare decoder.",
    "sae.layer": "Decoder layer of its input site, from 0. NULL if unknown.",
    "sae.d_in": "Width of a decoder vector; also of the SAE's input, except for transcoders.",
    "label": "Descriptions of a feature, mostly written by a model. A feature may have several.",
    "label.source": "Where the label comes from: neuronpedia, delphi, or the source column of a CSV file; without one, the file's name.",
    "label.method": "Kind of explanation and the explaining model. NULL if not known.",
    "label.text": "Description of what activates the feature.",
    "label.score": "Score given by the label's source, on that source's own scale; Delphi's are in [0, 1]. NULL if not scored.",
    "label_word": "The words of all labels without stop words: the candidates for a mistyped word of a query.",
    "label_word.pairs": "Its pairs of letters that are adjacent or have one letter between them, as computed by letter_pairs: a mistyped word shares most of them.",
    "clustering": "A clustering of features into lobes, by one affinity and one k.",
    "clustering.k": "Number of lobes requested.",
    "clustering.n_lobes": "Number of lobes found; at most k.",
    "clustering.n_features": "Features that were clustered.",
    "clustering.modularity": "Modularity: share of affinity within lobes minus the share expected from the features' sums of affinity.",
    "clustering.seed_stability": "Mean adjusted mutual information with the clusterings of other seeds. NULL if not measured.",
    "clustering.half_stability": "Adjusted mutual information of the clusterings of two halves of the documents. NULL if not measured.",
    "lobe": "A lobe: a cluster of features that are active together.",
    "lobe_test": "Tests of whether lobes are spatial: a statistic against a null, one-sided.",
    "lobe_test.statistic": "ami: adjusted mutual information with clusters of the decoder vectors; accuracy: balanced accuracy of logistic regression from decoder vector to lobe, on held-out features.",
    "block_lobe": "How active each lobe is in a block, and its top lobe. One partition per run.",
    "block_lobe.run": "Run that made it: subsets.",
    "block_lobe.lobe": "The top lobe. Default: the one whose number of active features exceeds most the number expected from their frequencies, in standard deviations. Preset paper: the one of the largest share. NULL for a tie and for a block without active features.",
    "subset_lobe": "Lobes by document type: the share of blocks whose top lobe each is.",
    "subset_lobe.run": "Run that made it: subsets.",
    "subset_lobe.n_blocks": "Blocks of the type that were evaluated.",
    "subset_lobe.n_top": "Those of them whose top lobe it is.",
    "subset_lobe.top_share": "n_top / n_blocks; in [0, 1].",
    "subset_lobe.enrichment": "top_share over the same share of all blocks; 1 for no preference. NULL if it is the top lobe of no block.",
    "coordinate": "Coordinates of a feature on a map.",
    "recording": "One SAE run on one corpus. An interrupted recording can be continued.",
    "recording.sae": "SAE that was run.",
    "recording.keep_above": "Activation floor: only maximum activations above it were stored, in units of activation.",
    "recording.forced": "Whether it was recorded although the SAE fits the model poorly (--force).",
    "recording.n_documents": "Documents recorded; an interrupted recording continues from here.",
    "recording.n_blocks": "Blocks recorded: 0 to n_blocks - 1 of the corpus.",
    "recording.documents_wanted": "Documents requested. NULL for the whole corpus.",
    "activation": "The active features of one block and their maximum activations: a sparse row. One partition per recording.",
    "spectrum": "The covariance of a set of vectors: how its variance is spread over directions.",
    "spectrum.source": "decoder or encoder: a unit vector for each feature; activations: the SAE's input activations, a vector for each token.",
    "spectrum.n_zero": "Zero vectors, which were left out.",
    "spectrum.n_duplicates": "Vectors left out because they equal one that is counted.",
    "eigenvalue": "Eigenvalues of the covariance of a set of vectors.",
    "spectrum_test": "A spectrum against random sets of the same number of vectors and dimensions.",
    "spectrum_test.statistic": "steepness: minus the slope; log_volume: minus the logarithm of the volume. A larger value is further from an isotropic Gaussian.",
    "spectrum_test.null_model": "gaussian: isotropic Gaussian vectors; directions: random unit vectors; covariance: Gaussian vectors with the estimated covariance.",
    "cluster_entropy": "How far a set of vectors is from a single Gaussian: negentropy, estimated from nearest neighbours.",
    "cluster_entropy.components": "Number of leading principal components that the vectors were projected on.",
    "cluster_entropy.negentropy": "Entropy of a Gaussian of the same covariance minus the entropy of the vectors, in nats. The estimate is biased in many dimensions: use the excesses. Preset paper: as published.",
    "cluster_entropy.negentropy_low": "Lower end of its 95% interval, not corrected for bias.",
    "cluster_entropy.n_draws": "Random sets drawn of each reference. NULL without references.",
    "cluster_entropy.gaussian": "Mean negentropy of sets of as many Gaussian vectors of the same covariance. NULL without them.",
    "cluster_entropy.excess_gaussian": "negentropy - gaussian: 0 without clusters.",
    "cluster_entropy.directions": "Mean negentropy of such sets, each vector scaled to length 1. NULL without them.",
    "cluster_entropy.excess_directions": "negentropy - directions: 0 without clusters.",
    "encoder.encoder": "Encoder vector, column of W_enc as stored in the weights, not normalised; as long as the SAE's input is wide, which differs from decoder for a transcoder.",
    "activation_covariance": "Mean and covariance of an SAE's input activations, updated with each chunk of documents. covariances.read returns it as a matrix.",
    "activation_covariance.n_tokens": "Tokens summed up: those that lie in a block and are not excluded from its maxima.",
    "activation_covariance.d": "Width of the SAE's input.",
    "word_pair.output": "The related word or words, such as Vienna; may be equal to input.",
    "word_space.model": "Model that was run on the words. NULL for ready vectors.",
    "word_space.facts": "All parameters that decide a word's vector and attributes, hashes as hexadecimal: only words read with the same ones are added.",
    "word_vector.word": "The word, or words, as written in its pairs.",
    "word_vector.vector": "Residual stream at its last token, or the ready vector; as long as d of its space, not normalised.",
    "feature_token": "The tokens that a feature promotes most, computed from its decoder vector alone.",
    "cooccurrence": "Counts of pairs in square tiles of 128 features. One partition per run.",
    "encoder": "Encoder vectors of the SAEs ingested with --encoder. One partition per SAE.",
    "feature": "A feature of an SAE. One partition per SAE: its own width, index and lifetime.",
    "bitmap": "Activations of a recording above a threshold, one bit per feature and block.",
    "feature_bitmap.bits": "One bit per block of the chunk, 1 where the feature is active, then zeros to a whole number of 64-bit words.",
    "model.architecture": "transformers' model_type, such as gemma2. NULL until the model was run here.",
    "sae.architecture": "sae-lens' name, such as jumprelu or topk. NULL for a bare decoder.",
    "sae.l0": "Published mean number of active features per token. NULL if not published; measured values are in recording.l0.",
    "sae.explained_variance": "Published share of variance explained, at most 1. NULL if not published; measured values are in recording.explained_variance.",
    "recording.l0": "Mean number of active features per token, on the first documents. NULL if not measured.",
    "recording.explained_variance": "Share of the model's variance that the SAE explains on the first documents; at most 1. NULL if not measured.",
    "recording.dtype": "Precision of model and SAE, such as float32. NULL if unknown.",
    "recording.device": "Where it last ran, such as cpu. NULL if unknown.",
    "run.analysis": "Name of the analysis, such as cooccurrence.",
    "run.input_run": "Run whose rows it read, such as the count that lobes come from. NULL if none, or if it was removed since.",
    "relation": "A relation between words, such as that of a country and its capital.",
    "word_pair.input": "Word, or words, such as Austria.",
    "distractor_attribute.attribute": "What was measured of each feature or word, such as log_density or last_token_length.",
    "lobe_member": "Which lobe a feature lies in. A feature that was left out, such as a dead one, has no row.",
    "spectrum.variance": "Sum of the eigenvalues; 1 minus the squared length of the mean, for unit vectors.",
    "spectrum.slope_population": "Slope of the distribution that the vectors were drawn from: slope minus what n draws in d dimensions add. NULL where not estimated.",
    "spectrum.aic_difference": "AIC of the line minus that of the best alternative; above 0 if that fits better. NULL where rank_first is.",
    "coordinate.x": "First coordinate. Method pca: along the first principal axis of unit vectors, minus their mean; tsne: in no unit.",
    "coordinate.z": "Third coordinate. NULL for maps in the plane.",
    "crystal": "Four features with b - a parallel to d - c. A parallelogram has one row: for the pair of sides whose function vector has more pairs.",
    "spectrum.edge_low": "Lower Marchenko-Pastur edge: smallest eigenvalue expected of n isotropic Gaussian vectors of the same variance.",
    "feature_token.logit": "Direct effect on the token's logit: unembedding times decoder vector, with the final norm's scale and without its division.",
    "lobe.parent": "Lobe of the next smaller k of the same affinity and run that contains most of its features; the lowest number if several do. NULL for the smallest k.",
    "block_lobe.clustering": "Clustering whose lobes these are.",
    "subset_lobe.clustering": "Clustering whose lobes these are.",
    "lobe_test.clustering": "Clustering whose lobes were tested.",
}


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "running_job",
        sa.Column("kind", sa.Text(), nullable=False, comment="Kind of job, such as lobes."),
        sa.Column(
            "key", postgresql.BYTEA(), nullable=False, comment="Hash of what identifies the job."
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
        comment="Jobs that run now, or were killed. A running job locks its row, so that no other process runs the same one; logins without rights on the table cannot lock it.",
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
