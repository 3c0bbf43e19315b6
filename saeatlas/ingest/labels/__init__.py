"""What features are said to be about: Neuronpedia's bulk files, Delphi's explanations, CSV."""

from saeatlas.ingest.labels.job import Ingested, Stored, ingest_labels
from saeatlas.ingest.labels.kinds import open_source
from saeatlas.ingest.labels.source import Label, Source

__all__ = ["Ingested", "Label", "Source", "Stored", "ingest_labels", "open_source"]
