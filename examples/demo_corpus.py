"""What the demo's model is trained on: a folder of texts and half of this machine's own."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from saeatlas.demo import texts

VALIDATION_SHARE = 0.05  # the last documents of each file: long works are cut in order
_HELD_OUT_PER_SUBSET = 200  # far more than the demo shows
_LONG_LINE = 40  # characters; shorter lines recur by chance
_SHARED_LINES = 0.25  # a document with more of its long lines held out counts as seen


def read_folder(folder: Path) -> tuple[list[texts.Document], list[texts.Document]]:
    """Return (training, validation) documents of a folder of .jsonl or .jsonl.gz files."""
    training: list[texts.Document] = []
    validation: list[texts.Document] = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as file:
            documents: list[texts.Document] = [json.loads(line) for line in file]
        n_training = round(len(documents) * (1 - VALIDATION_SHARE))
        training += documents[:n_training]
        validation += documents[n_training:]
    return training, validation


def build(folder: Path, seed: int = 0) -> tuple[list[texts.Document], list[texts.Document]]:
    """Return shuffled (training, held-out) documents of a folder and of this machine.

    Training documents that repeat lines of the held-out ones are left out: the same licence or
    the same source file comes under many paths.
    """
    training, held_out = read_folder(folder)
    held_out += texts.collect(_HELD_OUT_PER_SUBSET)
    training += texts.collect(1_500, held_out=False, pieces_per_file=8)
    training = list(_unseen(training, held_out))
    random.Random(seed).shuffle(training)
    return training, held_out


def _unseen(
    documents: Iterable[texts.Document], held_out: Iterable[texts.Document]
) -> Iterator[texts.Document]:
    known: set[str] = set()
    for document in held_out:
        known |= _long_lines(document["text"])
    for document in documents:
        lines = _long_lines(document["text"])
        if len(lines & known) <= _SHARED_LINES * len(lines):
            yield document


def _long_lines(text: str) -> set[str]:
    return {line for line in map(str.strip, text.split("\n")) if len(line) >= _LONG_LINE}
