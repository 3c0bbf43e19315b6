"""Small whole files of published clusterings, maps and attributes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from saeatlas.ingest.published import attributes, clustering, maps
from saeatlas.schema.rows import maps as rows
from tests.malformed.seeds import D_SAE, RANDOM, Form

LABELS = RANDOM.integers(0, 5, D_SAE)
POINTS = RANDOM.normal(size=(D_SAE, 2)).astype(np.float32)
FRAME = pd.DataFrame(
    {"feature": np.arange(D_SAE), "fine": LABELS, "name": [f"c{i}" for i in LABELS]}
)
PLACES = pd.DataFrame(POINTS, columns=["x", "y"]).assign(feature=np.arange(D_SAE))
SCORES = pd.DataFrame({
    "feature": np.arange(D_SAE), "auc": RANDOM.random(D_SAE), "kind": [f"k{i % 3}" for i in LABELS],
})  # fmt: skip


def _form(
    file: str, ingest: Callable[..., object], write: Callable[[Path], Any], kind: str = ""
) -> Form:
    return Form(
        file,
        lambda folder: write(folder / file),
        lambda engine, folder: ingest(engine, folder / file, sae="whole"),
        kind,
    )


def _csv(frame: pd.DataFrame) -> Callable[[Path], Any]:
    return lambda path: frame.to_csv(path, index=False)


def _json(value: object) -> Callable[[Path], Any]:
    return lambda path: path.write_text(json.dumps(value))


CLUSTERING, MAP = clustering.ingest_clustering, maps.ingest_map
ATTRIBUTES = attributes.ingest_attributes

FORMS = {
    "clustering csv": _form("c.csv", CLUSTERING, _csv(FRAME), "csv"),
    "clustering csv.gz": _form("c.csv.gz", CLUSTERING, _csv(FRAME)),
    "clustering parquet": _form("c.parquet", CLUSTERING, FRAME.to_parquet),
    "clustering npy": _form("c.npy", CLUSTERING, lambda p: np.save(p, LABELS), "npy"),
    "clustering npz": _form("c.npz", CLUSTERING, lambda p: np.savez_compressed(p, fine=LABELS)),
    "clustering json": _form(
        "c.json", CLUSTERING, _json({str(i): int(c) for i, c in enumerate(LABELS)}), "json"
    ),
    "clusters json": _form(
        "d.json",
        CLUSTERING,
        _json([np.flatnonzero(c == LABELS).tolist() for c in range(5)]),
        "json",
    ),
    "map csv": _form("m.csv", MAP, _csv(PLACES), "csv"),
    "map npy": _form("m.npy", MAP, lambda p: np.save(p, POINTS), "npy"),
    "map json": _form("m.json", MAP, _json(POINTS.tolist()), "json"),
    "attributes csv": _form("a.csv", ATTRIBUTES, _csv(SCORES), "csv"),
    "attributes parquet": _form("a.parquet", ATTRIBUTES, SCORES.to_parquet),
    "attributes json": _form("a.json", ATTRIBUTES, _json(SCORES.to_dict("records")), "json"),
}


def same(engine: sa.Engine, path: Path, run: int) -> bool:
    """Compare a map that was read with what numpy reads."""
    with engine.connect() as connection:
        found = rows.read(connection, run)
    return np.array_equal(found.points, np.load(path).astype(np.float32))
