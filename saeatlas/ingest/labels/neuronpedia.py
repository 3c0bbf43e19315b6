"""Labels from Neuronpedia's bulk files, ``v1/{modelId}/{sourceId}/explanations/batch-N.jsonl.gz``.

A line, or an item of one JSON list, is one explanation: ``modelId``, ``layer`` (the source, in
fact), ``index`` (the feature, a string), ``description``, mostly ``typeName`` and
``explanationModelName``, and more that varies.
Model and source together are ``sae.neuronpedia_id``: so every label says which SAE it is of.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.corpora import jsonl, places
from saeatlas.ingest.corpora.document import called, excerpt
from saeatlas.ingest.formats import files
from saeatlas.ingest.labels.source import Label, feature_number, one_sae, shortened

_URL = "https://www.neuronpedia.org"
_FORMS = (("*.jsonl", "*.jsonl.gz"), ("*.json", "*.json.gz"))  # the first of which there are any
_FIELDS = ("modelId", "layer", "index")
_SURE_AFTER = 1_000
"""Rows without a description after which a file is taken for one of features or activations."""


class Export:
    """Files of explanations, or folders that hold them at any depth.

    Parameters
    ----------
    paths : sequence of Path
        Of folders, the files below their folders ``explanations``; if there are none, all.
    source_id : str, optional
        ``model/source`` whose labels are those of the SAE that is named, though that names no page
        of its own.

    Raises
    ------
    BadLabels
        There are no such files.
    """

    def __init__(self, paths: Sequence[Path], *, source_id: str | None = None) -> None:
        self.left: set[str] = set()
        self._files = [file for path in paths for file in _files(path)]
        self._source_id = source_id

    def labels(self, saes: Sequence[sa.Row[Any]], *, named: bool) -> Iterator[Label]:
        """Yield the labels of some SAEs, file by file.

        Parameters
        ----------
        saes : sequence of sqlalchemy.Row
        named : bool
            Whether the user named them.

        Yields
        ------
        Label

        Raises
        ------
        BadLabels
            A line is not of this form, or there are labels of other SAEs only.
        UnknownName
            A source is named, but not one SAE.
        """
        wanted = self._wanted(saes, named=named)
        found = False
        for file in self._files:
            for origin, row in _rows(file):
                page = f"{row['modelId']}/{row['layer']}"
                if page not in wanted:
                    self.left.add(page)
                    # its folders name the source too: all of the file is of it
                    if file.as_posix().endswith(f"/{page}/explanations/{file.name}"):
                        break
                    continue
                found = True
                for sae in wanted[page]:
                    own = sae.neuronpedia_id == page
                    yield _label(origin, row, sae, None if own else f"{_URL}/{page}/{row['index']}")
        if not found:
            self._refuse(wanted)

    def _wanted(self, saes: Sequence[sa.Row[Any]], *, named: bool) -> dict[str, list[sa.Row[Any]]]:
        """Say which SAEs the labels of a page belong to; two names of one SAE share its page."""
        if self._source_id is not None:
            sae = one_sae(saes, named=named)
            if sae.neuronpedia_id not in (None, self._source_id):
                raise errors.BadLabels(
                    f"{sae.release}/{sae.sae_id} is {sae.neuronpedia_id} on Neuronpedia, "
                    f"not {self._source_id}.",
                    hint="Leave --neuronpedia-id out, or name another SAE. If its page is wrong: "
                    f"saeatlas ingest sae ... --neuronpedia-id {self._source_id}",
                )
            return {self._source_id: [sae]}
        wanted: dict[str, list[sa.Row[Any]]] = {}
        for sae in saes:
            if sae.neuronpedia_id is not None:
                wanted.setdefault(sae.neuronpedia_id, []).append(sae)
        if not wanted:
            raise errors.BadLabels(
                f"{saes[0].release}/{saes[0].sae_id} names no page on Neuronpedia: nothing says "
                "that these labels are of it."
                if named and len(saes) == 1
                else "None of these SAEs names its page on Neuronpedia.",
                hint="If you know which it is: --sae SAE --neuronpedia-id MODEL/SOURCE.",
            )
        return wanted

    def _refuse(self, wanted: dict[str, list[sa.Row[Any]]]) -> NoReturn:
        pages = [f"{row.release}/{row.sae_id} is {p}" for p, rows in wanted.items() for row in rows]
        raise errors.BadLabels(
            "These files hold no labels of "
            + ("an SAE of the catalog." if len(pages) > 1 else "this SAE."),
            available=f"They hold {shortened(sorted(self.left)) or 'none'}.\n"
            f"On Neuronpedia {shortened(pages)}.",
            hint="Fetch the right files, or bring in the SAE that these are of: labels of one SAE "
            "mean nothing for another, not even of the same layer and width.",
        )


def _files(path: Path) -> list[Path]:
    """List files in the order of their names."""
    path = path.expanduser().absolute()
    with errors.raised_as(errors.BadLabels):
        files.require_plain(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise errors.BadLabels(
            f"There is no file or folder {path}.",
            available=places.near(str(path)),
            hint="Name a folder of Neuronpedia's bulk files, or files batch-N.jsonl.gz.",
        )
    listed = ({file for form in forms for file in path.rglob(form)} for forms in _FORMS)
    found = sorted(next(filter(None, listed), ()))
    if not found:
        raise errors.BadLabels(
            f"{path} holds no files .jsonl or .json, or these as .gz.",
            hint="Name a folder as v1/gemma-2-2b/12-gemmascope-res-16k/explanations.",
        )
    return [file for file in found if file.parent.name == "explanations"] or found


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a file's rows, each with the fields that every label needs."""
    described, undescribed = False, None
    for n, (origin, row) in enumerate(_objects(file)):
        for name in _FIELDS:
            if not isinstance(row.get(name), str | int):
                raise _other_kind(origin, row, name)
        described = described or "description" in row
        if not described:  # of a proper file, some rows may lack it
            undescribed = undescribed or _other_kind(origin, row, "description")
            if n + 1 == _SURE_AFTER:
                raise undescribed
        yield origin, row
    if undescribed and not described:
        raise undescribed


def _objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    place = places.Place("jsonl", file.parent, (file,))
    try:
        for origin, row in jsonl.jsonl_rows(place, 0):
            if isinstance(row, errors.BadDocument):
                raise errors.BadLabels(
                    row.wrong, available=row.available, hint="Fetch the file again."
                )
            yield origin, row
    except errors.BadCorpus as error:
        raise errors.BadLabels(error.wrong, available=error.available, hint=error.hint) from error


def _other_kind(origin: str, row: dict[str, Any], name: str) -> errors.BadLabels:
    found = called(row[name]) if name in row else "missing"
    return errors.BadLabels(
        f"{origin}: the field {name!r} is {found}.",
        available=f"Its fields: {shortened(sorted(row)) or 'none'}.",
        hint="Name files of Neuronpedia's explanations, not of features or activations.",
    )


def _label(origin: str, row: dict[str, Any], sae: sa.Row[Any], url: str | None) -> Label:
    feature = feature_number(row["index"])
    text = row.get("description")
    if feature is None:
        raise errors.BadLabels(f"{origin}: {excerpt(row['index'])} is not a feature.")
    if not isinstance(text, str | None):
        raise errors.BadLabels(f"{origin}: its description is {called(text)}, not a string.")
    said = (row.get("typeName"), row.get("explanationModelName"))
    method = " / ".join(part for part in said if part and isinstance(part, str))
    return Label(origin, sae, feature, text or "", "neuronpedia", method, url=url)
