"""A small catalog that every kind of query finds something in. Read it; do not write to it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import URL

from saeatlas.cli import cli
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.rows import sae_vectors
from tests.conftest import create_database

TYPES = ("ArXiv", "Github", "FreeLaw")
PLANTED = "--d-model 16 --lobes 3 --preference 0.9 --geometry 0.9 --parallelograms 0 --trapezoids 0"
STEPS = (
    f"ingest simulated {PLANTED} --features 4900 --blocks 300 --active 60 --release gemma-scope "
    "--sae-id layer_12 --layer 12",
    f"ingest simulated {PLANTED} --features 200 --blocks 90 --release gemma-scope --layer 20 "
    "--sae-id layer_20 --seed 1",
    "ingest simulated --d-model 8 --lobes 2 --parallelograms 0 --trapezoids 0 --features 150 "
    "--blocks 90 --release other/one --sae-id layer_20 --layer 20 --seed 2",
    "analyze cooccurrence --recording 1 --threshold 0",
    "analyze cooccurrence --recording 1 --threshold 0 --half first",
    "analyze lobes --cooccurrence 2 --affinity phi --k 2,3",
    "analyze subsets --lobes 3",
    "analyze geometry --sae 1 --cooccurrence 2 --k 3",
    "analyze cooccurrence --recording 2 --threshold 0",
    "analyze spectra --sae 1 --components 10",
    "ingest labels --sae 1 --csv {folder}/people.csv",
    "ingest labels --sae 2 --csv {folder}/machine.csv",
)
LABELS = {
    "people.csv": (
        "feature,text,score,method",
        "4821,names of capital cities,0.9,",
        "4821,cities in Europe,0.4,by hand",
        "4095,capital letters,,",
        "77,a city council,,",
        "10,mathematical proofs,0.7,",
        "11,programming and proofs,,",
    ),
    "machine.csv": ("feature,text", '3,"capital, invested"', "5,cities"),
}
"""Files of labels, line by line."""

CRYSTALS = (
    ("parallelogram", (4821, 10, 11, 12), 0.93),
    ("trapezoid", (3, 4821, 12, 77), 0.71),
    ("trapezoid", (1, 2, 3, 4), 0.62),
)
"""Kind, corners and quality; the first two follow the first of the function vectors."""


@pytest.fixture(scope="session")
def asked_url(server_url: URL) -> str:
    url = create_database(server_url, "asked")
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in LABELS.items():
            (Path(folder) / name).write_text("\n".join(lines), encoding="utf-8")
        runner = CliRunner(env={"SAEATLAS_DATABASE_URL": url, "SAEATLAS_DATA_DIR": folder})
        for step in STEPS:
            words = step.format(folder=folder).split()
            done = runner.invoke(cli, words, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            if step.startswith("ingest"):
                _name_types(url)
    _write_crystals(url)
    done = runner.invoke(cli, ["analyze", "maps", "--sae", "1", "--method", "pca"])
    assert done.exit_code == 0, done.output
    return url


def _write_crystals(url: str) -> None:
    """Write crystals of SAE 1 as a run of `analyze crystals` would: there are none planted."""
    engine = connect.open_catalog(url)
    with engine.begin() as connection:
        row = {"analysis": "crystals", "sae": 1, "params": {}, "quality": {}, "code_version": "0",
               "input_sha256": b"0" * 32}  # fmt: skip
        run = connection.execute(sa.insert(tables.run).values(row).returning(tables.run.c.id))
        number = run.scalar_one()
        vectors = sae_vectors.read(connection, 1)
        found = [
            {"run": number, "number": i, "n_pairs": n, "coherence": 0.8, "n_trials": 0,
             "direction": direction / np.linalg.norm(direction)}
            for i, (n, direction) in enumerate(
                [(4, vectors[10] - vectors[4821]), (1, vectors[2] - vectors[1])]
            )
        ]  # fmt: skip
        table = tables.function_vector
        first = connection.execute(
            sa.insert(table).returning(table.c.id, sort_by_parameter_order=True), found
        ).scalars()
        followed = [*first]
        connection.execute(
            sa.insert(tables.crystal),
            [
                {"run": number, "crystal": i, "function_vector": followed[i // 2], "kind": kind,
                 "quality_before": quality, "quality_after": quality, "length_ratio": 0.95 - i / 10,
                 "p": 0.001, "q": 0.01} | dict(zip("abcd", corners, strict=True))
                for i, (kind, corners, quality) in enumerate(CRYSTALS)
            ],
        )  # fmt: skip
    engine.dispose()


def _name_types(url: str) -> None:
    engine = connect.open_catalog(url)
    subset = tables.document.c.subset
    with engine.begin() as connection:
        for number, name in enumerate(TYPES):
            change = sa.update(tables.document).where(subset == f"type {number}")
            connection.execute(change.values(subset=name))
    engine.dispose()


@pytest.fixture
def asked(asked_url: str) -> Iterator[sa.Engine]:
    engine = connect.open_catalog(asked_url)
    yield engine
    engine.dispose()
