"""A small whole file of every form that is read, and how it is brought in."""

import bz2
import gzip
import io
import json
import lzma
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
import zstandard
from psycopg.types.json import Jsonb
from safetensors.numpy import save_file

from saeatlas.ingest import cooccurrence_file, labels, tables
from saeatlas.ingest.corpora import Document, open_corpus
from saeatlas.ingest.saes import load, store
from saeatlas.ingest.words import relations, words
from saeatlas.schema import tables as catalog
from saeatlas.schema.database.copy import copy_rows
from tests.support import tiny

D_SAE, D_IN = tiny.D_SAE, tiny.D_MODEL
PAGE = "tiny/1-res"
RANDOM = np.random.default_rng(0)
DECODER = RANDOM.normal(size=(D_SAE, D_IN)).astype(np.float32)


@dataclass(frozen=True)
class Form:
    """A form of file.

    Attributes
    ----------
    file : str
        Name of the file that is spoiled, below the folder.
    write : callable
        Writes the whole file, and those beside it, into a folder.
    ingest : callable
        Brings it in, from the folder.
    kind : str
        How `meaningful.spoiled` changes its meaning; empty if it does not.
    unpack, pack : callable, optional
        Of a compressed file.
    """

    file: str
    write: Callable[[Path], object]
    ingest: Callable[[sa.Engine, Path], object]
    kind: str = ""
    unpack: Callable[[bytes], bytes] | None = None
    pack: Callable[[bytes], bytes] = bytes


def of_sae(name: str) -> Callable[[sa.Engine, Path], object]:
    """Return what brings an SAE in: from a file of the folder, or from the folder."""

    def ingest(engine: sa.Engine, folder: Path) -> object:
        path = folder / name if name else folder
        loaded = load.load_sae(path=path, release="spoiled", sae_id=folder.name)
        with engine.begin() as connection:
            return store.store_sae(connection, loaded, encoder=loaded.sae is not None)

    return ingest


@cache
def _whole_sae() -> Path:
    """An SAE of sae-lens, made once."""
    import tempfile

    return tiny.make_sae(Path(tempfile.mkdtemp()))


def _sae_lens(folder: Path) -> None:
    for file in _whole_sae().iterdir():
        shutil.copy(file, folder)


def _gemma(folder: Path) -> None:
    np.savez(
        folder / "params.npz", w_enc=DECODER.T, w_dec=DECODER, b_enc=np.zeros(D_SAE, np.float32),
        b_dec=np.zeros(D_IN, np.float32), threshold=np.ones(D_SAE, np.float32),
    )  # fmt: skip


def _counts(folder: Path) -> None:
    active = RANDOM.random((90, D_SAE)) < 0.2
    np.savez_compressed(
        folder / "x.npz", histogram=active.T.astype(int) @ active.astype(int), n_chunks=90
    )


def _cooccurrence(engine: sa.Engine, folder: Path) -> object:
    return cooccurrence_file.ingest_cooccurrence(engine, folder / "x.npz", sae="whole")


PAIRS = [{"input": f"a{i}", "output": f"b{i}"} for i in range(4)]
VOCABULARY = [pair[key] for pair in PAIRS for key in ("input", "output")]
VECTORS = RANDOM.normal(size=(len(VOCABULARY), 5)).astype(np.float32)


def _vectors(name: str, content: Callable[[], bytes], kind: str = "") -> Form:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content())

    def ingest(engine: sa.Engine, folder: Path) -> object:
        (folder / "pairs.json").write_text(json.dumps(PAIRS))
        return words.ingest_file_words(
            engine, [folder / "pairs.json"], folder / name, name=folder.name
        )

    return Form(name, write, ingest, kind)


def _rows(*, head: str = "") -> bytes:
    lines = [
        word + " " + " ".join(f"{x:.6f}" for x in vector)
        for word, vector in zip(VOCABULARY, VECTORS, strict=True)
    ]
    return (head + "\n".join(lines) + "\n").encode()


def _binary() -> bytes:
    rows = [
        word.encode() + b" " + vector.astype("<f4").tobytes() + b"\n"
        for word, vector in zip(VOCABULARY, VECTORS, strict=True)
    ]
    return f"{len(VOCABULARY)} 5\n".encode() + b"".join(rows)


def _npz_words() -> bytes:
    file = io.BytesIO()
    np.savez(file, words=np.array(VOCABULARY), vectors=VECTORS)
    return file.getvalue()


def _frequencies(folder: Path) -> None:
    (folder / "f.csv").write_text(
        "word,count\n" + "".join(f"{w},{i + 1}\n" for i, w in enumerate(VOCABULARY))
    )
    (folder / "v.txt").write_bytes(_rows())
    (folder / "pairs.json").write_text(json.dumps(PAIRS))


def _with_frequencies(engine: sa.Engine, folder: Path) -> object:
    return words.ingest_file_words(
        engine, [folder / "pairs.json"], folder / "v.txt", name=folder.name,
        frequency_file=folder / "f.csv",
    )  # fmt: skip


def _pairs(folder: Path) -> None:
    (folder / "pairs.json").write_text(json.dumps(PAIRS))


def _relation(engine: sa.Engine, folder: Path) -> object:
    path = (folder / "pairs.json").rename(folder / f"{folder.name}.json")
    with engine.begin() as connection:
        return relations.store_relation(connection, relations.read_relation(path))


def _explanations(folder: Path, name: str = "batch-0.jsonl") -> None:
    rows = [
        {"modelId": "tiny", "layer": "1-res", "index": str(i), "description": f"label {i}",
         "typeName": "oai", "explanationModelName": "m"}
        for i in range(5)
    ]  # fmt: skip
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith("gz") else content)


def _label_table(folder: Path) -> None:
    (folder / "l.csv").write_text(
        "feature,text,source,score,method,url\n"
        + "".join(f"{i},text {i},s,0.{i},m,\n" for i in range(6))
    )


def _delphi_run(folder: Path) -> None:
    for part in ("explanations", "scores/detection"):
        (folder / part).mkdir(parents=True)
    for i in range(3):
        name = f"layers.1_latent{i}.txt"
        (folder / "explanations" / name).write_text(json.dumps(f"latent {i}"))
        examples = [{"activating": j < 2, "correct": j % 3 > 0, "distance": j} for j in range(4)]
        (folder / "scores/detection" / name).write_text(json.dumps(examples))
    (folder / "run_config.json").write_text(json.dumps({"explainer_model": "m", "seed": 3}))


def _labels(**named: str) -> Callable[[sa.Engine, Path], object]:
    def ingest(engine: sa.Engine, folder: Path) -> object:
        files: dict[str, Any] = {
            kind: [folder / name] if kind == "neuronpedia" else folder / name
            for kind, name in named.items()
        }
        return labels.ingest_labels(engine, labels.open_labels(**files), sae="whole")

    return ingest


TABLE = pd.DataFrame(
    {"document": [f"d{i // 4}" for i in range(40)], "block": [i % 4 for i in range(40)],
     "feature": [i % D_SAE for i in range(40)], "activation": [0.5 + i for i in range(40)],
     "subset": [f"s{i // 20}" for i in range(40)]}
)  # fmt: skip


def _table(name: str) -> Callable[[sa.Engine, Path], object]:
    return lambda engine, folder: tables.ingest_table(engine, folder / name, sae="whole")


def _cache(folder: Path) -> None:
    n = 30
    save_file(
        {"locations": np.stack([RANDOM.integers(0, 4, n), RANDOM.integers(0, 8, n),
                                np.sort(RANDOM.integers(0, D_SAE, n))], axis=1).astype(np.int64),
         "activations": RANDOM.random(n).astype(np.float16),
         "tokens": RANDOM.integers(0, 99, (4, 8)).astype(np.int64)},
        folder / f"0_{D_SAE - 1}.safetensors",
    )  # fmt: skip
    (folder / "config.json").write_text(
        json.dumps({"model_name": "m", "dataset_repo": "d", "cache_ctx_len": 8, "width": 96})
    )


DOCUMENTS = b"".join(
    json.dumps({"text": f"text {i}", "meta": {"pile_set_name": "A", "n": i}}).encode() + b"\n"
    for i in range(6)
)


def _documents(folder: Path, name: str = "x.jsonl", pack: Callable[[bytes], bytes] = bytes) -> None:
    (folder / name).write_bytes(pack(DOCUMENTS))


def _corpus(name: str) -> Callable[[sa.Engine, Path], object]:
    def ingest(engine: sa.Engine, folder: Path) -> object:
        found = open_corpus(str(folder / name), subset_field="meta.pile_set_name")
        with engine.begin() as connection:
            row = {"name": found.name, "source": str(folder)}
            insert = sa.insert(catalog.corpus).values(row).returning(catalog.corpus.c.id)
            number = connection.execute(insert).scalar_one()
            columns = ["corpus", "document", "subset", "metadata", "n_blocks"]
            rows = (
                (number, i, one.subset, Jsonb(one.metadata), 0)
                for i, one in enumerate(found.documents())
                if isinstance(one, Document)
            )
            return copy_rows(connection, catalog.document, columns, rows)

    return ingest


def _saved(name: str, save: Callable[..., object], **arrays: Any) -> Callable[[Path], object]:
    return lambda folder: save(folder / name, **arrays)


FORMS: dict[str, Form] = {
    "decoder.npy": Form("w.npy", lambda f: np.save(f / "w.npy", DECODER), of_sae("w.npy"), "npy"),
    "decoder.npz": Form("w.npz", _saved("w.npz", np.savez, W_dec=DECODER), of_sae("w.npz"), "npz"),
    "decoder packed.npz": Form(
        "w.npz", _saved("w.npz", np.savez_compressed, W_dec=DECODER), of_sae("w.npz"), "npz"
    ),
    "decoder.safetensors": Form(
        "w.safetensors", lambda f: save_file({"W_dec": DECODER}, f / "w.safetensors"),
        of_sae("w.safetensors"), "safetensors",
    ),
    "sae-lens cfg.json": Form("cfg.json", _sae_lens, of_sae(""), "json"),
    "sae-lens weights": Form("sae_weights.safetensors", _sae_lens, of_sae(""), "safetensors"),
    "Gemma Scope params.npz": Form("params.npz", _gemma, of_sae(""), "npz"),
    "co-occurrence.npz": Form("x.npz", _counts, _cooccurrence, "npz"),
    "word pairs": Form("pairs.json", _pairs, _relation, "json"),
    "word2vec text": _vectors("v.txt", lambda: _rows(head=f"{len(VOCABULARY)} 5\n")),
    "word2vec binary": _vectors("v.bin", _binary),
    "GloVe": _vectors("v.txt", _rows),
    "GloVe.gz": _vectors("v.txt.gz", lambda: gzip.compress(_rows(), mtime=0)),
    "words.npz": _vectors("v.npz", _npz_words, "npz"),
    "frequencies": Form("f.csv", _frequencies, _with_frequencies, "csv"),
    "Neuronpedia": Form(
        "b.jsonl", lambda f: _explanations(f, "b.jsonl"), _labels(neuronpedia="b.jsonl"), "json"
    ),
    "Neuronpedia.gz": Form(
        "b.jsonl.gz", lambda f: _explanations(f, "b.jsonl.gz"), _labels(neuronpedia="b.jsonl.gz"),
        "json", gzip.decompress, gzip.compress,
    ),
    "labels.csv": Form("l.csv", _label_table, _labels(csv="l.csv"), "csv"),
    "Delphi explanation": Form(
        "explanations/layers.1_latent1.txt", _delphi_run, _labels(delphi="."), "json"
    ),
    "Delphi scores": Form(
        "scores/detection/layers.1_latent1.txt", _delphi_run, _labels(delphi="."), "json"
    ),
    "Delphi run_config": Form("run_config.json", _delphi_run, _labels(delphi="."), "json"),
    "table.csv": Form(
        "t.csv", lambda f: TABLE.to_csv(f / "t.csv", index=False), _table("t.csv"), "csv"
    ),
    "table.parquet": Form(
        "t.parquet", lambda f: TABLE.to_parquet(f / "t.parquet"), _table("t.parquet"), "parquet"
    ),
    "Delphi cache": Form(f"0_{D_SAE - 1}.safetensors", _cache, _table("."), "safetensors"),
    "Delphi cache config": Form("config.json", _cache, _table("."), "json"),
    "documents.jsonl": Form("x.jsonl", _documents, _corpus("x.jsonl"), "json"),
    "documents.gz": Form(
        "x.jsonl.gz", lambda f: _documents(f, "x.jsonl.gz", gzip.compress), _corpus("x.jsonl.gz"),
        "json", gzip.decompress, gzip.compress,
    ),
    "documents.zst": Form(
        "x.jsonl.zst", lambda f: _documents(f, "x.jsonl.zst", zstandard.compress),
        _corpus("x.jsonl.zst"), "json", zstandard.decompress, zstandard.compress,
    ),
    "documents.xz": Form(
        "x.jsonl.xz", lambda f: _documents(f, "x.jsonl.xz", lzma.compress), _corpus("x.jsonl.xz"),
        "json", lzma.decompress, lzma.compress,
    ),
    "documents.bz2": Form(
        "x.jsonl.bz2", lambda f: _documents(f, "x.jsonl.bz2", bz2.compress), _corpus("x.jsonl.bz2"),
        "json", bz2.decompress, bz2.compress,
    ),
    "documents.parquet": Form(
        "x.parquet",
        lambda f: pd.DataFrame(map(json.loads, DOCUMENTS.splitlines())).to_parquet(f / "x.parquet"),
        _corpus("x.parquet"), "parquet",
    ),
}  # fmt: skip
"""Forms of files by name."""


def bomb(path: Path, n_bytes: int = 3 << 30) -> None:
    """Write a .npz file of a few MB that unfolds to gigabytes of zeros."""
    header = {"shape": (n_bytes // 96, 24), "fortran_order": False, "descr": "<f4"}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("W_dec.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(n_bytes >> 24):
            member.write(bytes(1 << 24))
