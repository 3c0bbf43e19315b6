"""Which kind of files labels are in."""

from collections.abc import Sequence
from pathlib import Path

from saeatlas import errors
from saeatlas.ingest.labels.delphi import Explanations
from saeatlas.ingest.labels.neuronpedia import Export
from saeatlas.ingest.labels.source import Source
from saeatlas.ingest.labels.table import LabelTable
from saeatlas.ingest.saes.loaded_sae import named_page


def open_labels(
    *,
    neuronpedia: Sequence[Path] = (),
    neuronpedia_id: str | None = None,
    delphi: Path | None = None,
    hookpoint: str | None = None,
    csv: Path | None = None,
) -> Source:
    """Open the one kind of files that is named.

    Parameters
    ----------
    neuronpedia : sequence of Path, optional
        Files or folders of Neuronpedia's explanations.
    neuronpedia_id : str, optional
        ``model/source``, or its address, whose labels are taken for those of an SAE that names no
        page itself.
    delphi : Path, optional
        Folder of a run of Delphi.
    hookpoint : str, optional
        Which of its hookpoints.
    csv : Path, optional
        CSV file.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        None is named, or several; an option that belongs to another kind; or no page's name.
    BadLabels
        There are no such files.
    """
    if bool(neuronpedia) + (delphi is not None) + (csv is not None) != 1:
        raise errors.InputError(
            "Labels come from one kind of files.", hint="Give --neuronpedia, --delphi or --csv."
        )
    if neuronpedia_id and not neuronpedia:
        raise errors.InputError("--neuronpedia-id goes with --neuronpedia.")
    if hookpoint and delphi is None:
        raise errors.InputError("--hookpoint goes with --delphi.")
    if delphi is not None:
        return Explanations(delphi, hookpoint=hookpoint)
    if csv is not None:
        return LabelTable(csv)
    return Export(neuronpedia, source_id=named_page(neuronpedia_id))
