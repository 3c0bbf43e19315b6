"""Delphi's latent caches: a folder of safetensors files, each with some of the latents.

``latents/<hookpoint>/{start}_{end}.safetensors`` holds, for the latents from start to end
inclusive, ``locations`` of shape (n, 3) (row of tokens, place in it, latent less start; as wide as
the numbers need), ``activations`` of shape (n,) in half precision, and mostly ``tokens`` of shape
(n_rows, length): the same in every file. ``config.json`` beside them says what was read.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import files
from saeatlas.ingest.tables import delphi_files
from saeatlas.ingest.tables.delphi_files import FETCH, Split
from saeatlas.ingest.tables.stage import Named, Rows

ROWS_AT_A_TIME = 1 << 17


class Cache:
    """What Delphi cached of one hookpoint.

    Delphi joins documents, cuts the stream in rows and shuffles those, so neither where a document
    ends nor which rows follow each other is known: each row is a document of one block.

    Parameters
    ----------
    folder : Path
        Absolute.

    Raises
    ------
    BadTable
        A file is damaged, or they do not belong together.
    """

    def __init__(self, folder: Path) -> None:
        self.source = str(folder)
        self._splits = delphi_files.splits(folder)
        config = delphi_files.config(folder)
        self.model: str | None = config.get("model_name")
        self.whole_documents = False
        with_tokens = [split for split in self._splits if "tokens" in delphi_files.shapes(split)]
        self._tokens_in = with_tokens[0] if with_tokens else None
        self._n_rows = 0  # without tokens, what the rows turn out to be
        self._width: int | None = config.get("cache_ctx_len") or config.get("ctx_len")
        if self._tokens_in:
            self._n_rows, self._width = delphi_files.shapes(self._tokens_in)["tokens"]
            delphi_files.require_same_tokens(with_tokens)
        # hookpoints of one run share their rows; only tokens can show that they do
        shared = folder.parent if self._tokens_in else folder
        self.corpus: dict[str, Any] = {
            "name": config.get("dataset_repo") or shared.name,
            "source": str(shared),
            "tokenizer": self.model,
            "context_length": self._width,
            "block_length": self._width,
        }

    def fingerprint(self) -> bytes:
        """Hash the files.

        Returns
        -------
        bytes
            SHA-256 of their names and contents.
        """
        whole = hashlib.sha256()
        for split in self._splits:
            with errors.raised_as(errors.BadTable):
                digest = files.file_sha256(split.path)
            whole.update(split.path.name.encode() + b"\0" + digest)
        return whole.digest()

    def rows(self, d_sae: int) -> Iterator[Rows]:
        """Yield the activations file by file, then one of 0 for each row of tokens.

        Parameters
        ----------
        d_sae : int
            Features of the SAE, which the files have to cover.

        Yields
        ------
        Rows

        Raises
        ------
        BadTable
        """
        self._require_all_latents(d_sae)
        for split in self._splits:
            yield from self._split_rows(split)
        # an activation of 0 is never stored: it says that the block is there
        for first in range(0, self._n_rows, ROWS_AT_A_TIME):
            document = np.arange(first, min(first + ROWS_AT_A_TIME, self._n_rows))
            zeros = np.zeros_like(document)
            yield Rows("tokens", first + 1, document, zeros, zeros, zeros.astype(np.float32))

    def documents(self) -> Iterator[Named]:
        """Yield a document for each row of tokens, with a hash of its tokens if there are any.

        Yields
        ------
        Named
        """
        if self._tokens_in is None:
            yield from (Named(i, i, None, self._width) for i in range(self._n_rows))
            return
        number = 0
        for chunk in delphi_files.tokens(self._tokens_in):
            for row in chunk:
                yield Named(
                    number, number, None, self._width, hashlib.sha256(row.tobytes()).digest()
                )
                number += 1

    def _split_rows(self, split: Split) -> Iterator[Rows]:
        n = delphi_files.shapes(split)["activations"][0]
        with delphi_files.opened(split) as file:
            locations, activations = file.get_slice("locations"), file.get_slice("activations")
            for begin in range(0, n, ROWS_AT_A_TIME):
                end = min(begin + ROWS_AT_A_TIME, n)
                where = locations[begin:end].astype(np.int64)
                values = activations[begin:end]
                rows = Rows(
                    split.path.name, begin + 1, where[:, 0], np.zeros_like(where[:, 0]),
                    where[:, 2] + split.start, values,
                )  # fmt: skip
                self._require_inside(split, rows, where)
                yield rows

    def _require_inside(self, split: Split, rows: Rows, where: npt.NDArray[np.bool_]) -> None:
        """Check locations against the file's name and the tokens."""
        n_latents = split.end - split.start + 1
        n_rows = self._n_rows if self._tokens_in else 2**31
        limits = np.array([n_rows, self._width or 2**31, n_latents])
        for i, k in np.argwhere((where < 0) | (where >= limits))[:1]:
            what = ("row of tokens", "place in the row", "latent in the file")[k]
            rows.refuse(
                i,
                f"there is no {what} {where[i, k]:,}.",
                f"There are {limits[k]:,}, counted from 0.",
                f"The files may be of two runs, or renamed. {FETCH}",
            )
        if not self._tokens_in:
            self._n_rows = max(self._n_rows, int(where[:, 0].max()) + 1)

    def _require_all_latents(self, d_sae: int) -> None:
        """Refuse a cache without all files: latents of a missing one would seem never active."""
        expected = 0
        for split in self._splits:
            if split.start != expected:
                raise errors.BadTable(
                    f"{self.source} has {split.path.name} where latent {expected:,} should follow.",
                    available="It holds " + ", ".join(s.path.name for s in self._splits) + ".",
                    hint=f"Files are missing, or of several runs. {FETCH}",
                )
            expected = split.end + 1
        if expected != d_sae:
            raise errors.BadTable(
                f"{self.source} holds {expected:,} latents; the SAE has {d_sae:,} features.",
                available="It holds " + ", ".join(s.path.name for s in self._splits) + ".",
                hint="Name the SAE that was cached with --sae, or fetch the missing files.",
            )


def find_cache(folder: Path) -> Path:
    """Find the cache in a folder: itself, or its only hookpoint.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Path

    Raises
    ------
    BadTable
        It holds none, or several.
    """
    if delphi_files.is_cache(folder):
        return folder
    inner = sorted(path for path in folder.iterdir() if delphi_files.is_cache(path))
    if len(inner) == 1:
        return inner[0]
    if inner:
        raise errors.BadTable(
            f"{folder} holds {len(inner)} hookpoints.",
            available="They are: " + ", ".join(path.name for path in inner) + ".",
            hint=f"Name one of them, each with its own --sae: {inner[0]}",
        )
    names = sorted(path.name for path in folder.iterdir())
    raise errors.BadTable(
        f"{folder} is not a latent cache of Delphi.",
        available=f"It holds {', '.join(names[:8]) or 'nothing'}"
        + (f" and {len(names) - 8} more." if len(names) > 8 else "."),
        hint="Name a hookpoint's folder, with files such as 0_13106.safetensors; or a file of "
        "Parquet or CSV.",
    )
