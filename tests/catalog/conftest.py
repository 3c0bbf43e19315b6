"""A small catalog that every kind of query finds something in. Read it; do not write to it."""

import tempfile
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import URL

from saeatlas.cli import cli
from saeatlas.schema import connect, tables
from tests.conftest import _admin, _url

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
)


@pytest.fixture(scope="session")
def asked_url(server_url: URL) -> str:
    _admin(server_url, "create database asked template template_atlas")
    url = _url(server_url, "asked")
    with tempfile.TemporaryDirectory() as folder:
        runner = CliRunner(env={"SAEATLAS_DATABASE_URL": url, "SAEATLAS_DATA_DIR": folder})
        for step in STEPS:
            done = runner.invoke(cli, step.split(), catch_exceptions=False)
            assert done.exit_code == 0, done.output
            if step.startswith("ingest"):
                _name_types(url)
    return url


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
