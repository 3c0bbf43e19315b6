"""A catalog with a known answer: features with lobes and densities, decoder vectors, blocks.

Pure numpy; `saeatlas.ingest.simulation.job` writes it into the catalog. Every part is drawn with a
generator of its own, keyed on the seed: more blocks, other vectors or more crystals leave the
other parts as they are.
"""

from saeatlas.ingest.simulation.blocks import Block, Blocks, Drawn, documents_a_chunk
from saeatlas.ingest.simulation.decoder import Crystal, Decoder, draw_decoder
from saeatlas.ingest.simulation.features import Features, plant_features
from saeatlas.ingest.simulation.params import MAX_DENSITY, Params

__all__ = [
    "MAX_DENSITY",
    "Block",
    "Blocks",
    "Crystal",
    "Decoder",
    "Drawn",
    "Features",
    "Params",
    "documents_a_chunk",
    "draw_decoder",
    "plant_features",
]
