"""The tables of the catalog, and the one place where their columns are explained."""

from saeatlas.schema.affinities import AFFINITIES, ANGULAR, MEASURES
from saeatlas.schema.tables.attributes import attribute, attribute_value
from saeatlas.schema.tables.base import SCHEMA, metadata
from saeatlas.schema.tables.corpora import block, corpus, document
from saeatlas.schema.tables.crystals import (
    crystal,
    distractor,
    distractor_attribute,
    function_vector,
    function_vector_member,
    separation,
)
from saeatlas.schema.tables.labels import label, label_word
from saeatlas.schema.tables.lobes import (
    agreement,
    block_lobe,
    clustering,
    lobe,
    lobe_member,
    lobe_test,
    subset_lobe,
)
from saeatlas.schema.tables.maps import AXES, coordinate
from saeatlas.schema.tables.models_and_saes import feature, model, sae
from saeatlas.schema.tables.recordings import activation, recording
from saeatlas.schema.tables.running_jobs import running_job
from saeatlas.schema.tables.runs import (
    TILE,
    bitmap,
    bitmap_chunk,
    cooccurrence,
    cooccurrence_feature,
    feature_bitmap,
    planted_crystal,
    planted_feature,
    run,
)
from saeatlas.schema.tables.spectra import cluster_entropy, eigenvalue, spectrum, spectrum_test
from saeatlas.schema.tables.vectors import activation_covariance, encoder
from saeatlas.schema.tables.words import feature_token, relation, word_pair, word_space, word_vector

__all__ = [
    "AFFINITIES",
    "ANGULAR",
    "AXES",
    "MEASURES",
    "SCHEMA",
    "TILE",
    "activation",
    "activation_covariance",
    "agreement",
    "attribute",
    "attribute_value",
    "bitmap",
    "bitmap_chunk",
    "block",
    "block_lobe",
    "cluster_entropy",
    "clustering",
    "cooccurrence",
    "cooccurrence_feature",
    "coordinate",
    "corpus",
    "crystal",
    "distractor",
    "distractor_attribute",
    "document",
    "eigenvalue",
    "encoder",
    "feature",
    "feature_bitmap",
    "feature_token",
    "function_vector",
    "function_vector_member",
    "label",
    "label_word",
    "lobe",
    "lobe_member",
    "lobe_test",
    "metadata",
    "model",
    "planted_crystal",
    "planted_feature",
    "recording",
    "relation",
    "run",
    "running_job",
    "sae",
    "separation",
    "spectrum",
    "spectrum_test",
    "subset_lobe",
    "word_pair",
    "word_space",
    "word_vector",
]
