"""Labels from Delphi: one small JSON file a latent, and the scores of its scorers.

A run's folder holds ``explanations/{hookpoint}_latent{N}.txt``, each a JSON string;
``scores/detection/`` files of the same names, each a list of examples that a scorer was shown, with
``activating`` (is the latent active there) and ``correct`` (was the scorer right, NULL where it
gave no answer); and ``run_config.json``, which names the explaining model.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NotRequired

import sqlalchemy as sa
from typing_extensions import TypedDict

from saeatlas import errors
from saeatlas.ingest.corpora import places
from saeatlas.ingest.formats import files, json_text
from saeatlas.ingest.labels.source import Label, one_sae

_NAME = re.compile(r"(.+)_(?:latent|feature)([0-9]{1,18})\.(?:txt|json)")
_LAYER = re.compile(r"(?<![^.-])[0-9]{1,9}(?![^.-])")
"""The layer in a hookpoint's name, as layers.12--mlp."""

_FAILED = "Explanation could not be parsed."
"""What Delphi writes where the model's answer held no explanation."""


class _Example(TypedDict):
    """What a scorer was shown."""

    activating: NotRequired[bool | None]
    correct: NotRequired[bool | None]


class Explanations:
    """The explanations of one hookpoint.

    Parameters
    ----------
    folder : Path
        A run's folder, or the folder ``explanations`` in it.
    hookpoint : str, optional
        Needed if there are several; ``/`` in its name may stand as ``--``, as in the files'.

    Raises
    ------
    BadLabels
        There are none.
    """

    def __init__(self, folder: Path, *, hookpoint: str | None = None) -> None:
        self.left: set[str] = set()
        whole = folder.expanduser().absolute()
        with errors.raised_as(errors.BadLabels):
            files.require_plain(whole)
        if not whole.is_dir():
            raise errors.BadLabels(
                f"There is no folder {folder}.",
                available=places.near(str(folder)),
                hint="Name the folder of a run of Delphi, or its explanations.",
            )
        inner = whole / "explanations"
        self._folder = inner if inner.is_dir() else whole
        self._hookpoint, self._files = self._of_one_hookpoint(hookpoint)
        self._is_sure = hookpoint is not None

    def labels(self, saes: Sequence[sa.Row[Any]], *, named: bool) -> Iterator[Label]:
        """Yield the labels, by latent.

        Parameters
        ----------
        saes : sequence of sqlalchemy.Row
            The SAE.
        named : bool
            Whether the user named it.

        Yields
        ------
        Label
            The score is the balanced accuracy of Delphi's detection, None if there is none.

        Raises
        ------
        BadLabels
            A file is not of this form, or they are of another layer and no hookpoint was named.
        UnknownName
            No SAE is named, or several are.
        """
        sae = one_sae(saes, named=named)
        self._require_layer(sae)
        scores = self._folder.parent / "scores" / "detection"
        method = self._explainer()
        for latent, path in self._files:
            with errors.raised_as(errors.BadLabels):
                hint = "Expected is what Delphi writes: one JSON string per file."
                text = json_text.typed(str, json_text.read_json(path), str(path), hint)
            score = _balanced_accuracy(scores / path.name)
            said = "" if text == _FAILED else text
            yield Label(path.name, sae, latent, said, "delphi", method, score)

    def _of_one_hookpoint(self, hookpoint: str | None) -> tuple[str, list[tuple[int, Path]]]:
        named = [(path, _NAME.fullmatch(path.name)) for path in self._folder.iterdir()]
        found: dict[str, list[tuple[int, Path]]] = {}
        for path, name in named:
            if name:
                found.setdefault(name[1], []).append((int(name[2]), path))
        if not found:
            raise errors.BadLabels(
                f"{self._folder} holds no explanations.",
                available="Expected are files as layers.12_latent0.txt.",
                hint="Name the folder of a run of Delphi, or its explanations.",
            )
        chosen = (hookpoint or next(iter(found))).replace("/", "--")
        if chosen not in found or (hookpoint is None and len(found) > 1):
            raise errors.BadLabels(
                f"{self._folder} holds {len(found)} hookpoints."
                if hookpoint is None
                else f"{self._folder} has no hookpoint {hookpoint!r}.",
                available=errors.nearest(hookpoint or "", found),
                hint="Name one with --hookpoint, and its SAE with --sae.",
            )
        return chosen, sorted(found[chosen])

    def _require_layer(self, sae: sa.Row[Any]) -> None:
        """Refuse another layer's, unless the user named the hookpoint: some count otherwise."""
        layer = _LAYER.search(self._hookpoint)
        if layer and not self._is_sure and sae.layer not in (None, int(layer[0])):
            raise errors.BadLabels(
                f"These labels are of {self._hookpoint}, and {sae.release}/{sae.sae_id} of layer "
                f"{sae.layer}.",
                hint="Name another SAE with --sae; if they are of this one, say so: "
                f"--hookpoint {self._hookpoint}",
            )

    def _explainer(self) -> str | None:
        path = self._folder.parent / "run_config.json"
        config = _json(path) if path.exists() else {}
        model = config.get("explainer_model") if isinstance(config, dict) else None
        return model if isinstance(model, str) else None


def _balanced_accuracy(path: Path) -> float | None:
    """Average how often the scorer was right where the latent is active and where it is not."""
    if not path.exists():
        return None
    with errors.raised_as(errors.BadLabels):
        hint = "Expected is what Delphi's detection writes: a list of examples."
        examples = json_text.typed(list[_Example], json_text.read_json(path), str(path), hint)
    right: dict[bool, list[bool]] = {True: [], False: []}
    for one in examples:
        active, correct = one.get("activating"), one.get("correct")
        if active is not None and correct is not None:
            right[active].append(correct)
    if not all(right.values()):
        return None
    return sum(sum(answers) / len(answers) for answers in right.values()) / 2


def _json(path: Path) -> Any:
    with errors.raised_as(errors.BadLabels):
        return json_text.read_json(path)
