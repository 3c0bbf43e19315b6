"""Labels of features: Neuronpedia's bulk files, Delphi's explanations, CSV."""

from saeatlas.ingest.labels.job import LabelsOutcome, Stored, ingest_labels
from saeatlas.ingest.labels.kinds import open_labels
from saeatlas.ingest.labels.source import Label, Source

__all__ = ["Label", "LabelsOutcome", "Source", "Stored", "ingest_labels", "open_labels"]
