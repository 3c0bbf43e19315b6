"""Labels as people have them: the page that an SAE's own files name, and the wrong folder."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from saeatlas.schema import tables
from tests.support import tiny
from tests.support.commands import refused, run_command

PAGE = "tiny/1-mine"


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model, source = PAGE.split("/")
    named = [
        {"modelId": model, "layer": source, "index": str(i)} | row for i, row in enumerate(rows)
    ]
    text = "".join(json.dumps(row) + "\n" for row in named).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def _labels(engine: sa.Engine) -> list[tuple[int, str]]:
    with engine.connect() as connection:
        found = connection.execute(sa.select(tables.label.c.feature, tables.label.c.text))
        return sorted(tuple(row) for row in found)


@pytest.mark.parametrize("said", [PAGE, f"https://www.neuronpedia.org/{PAGE}"])
def test_labels_of_the_page_that_the_saes_own_file_names(
    engine: sa.Engine, tmp_path: Path, said: str
) -> None:
    folder = tiny.make_sae(tmp_path / "sae", metadata={"neuronpedia_id": said})
    _write(
        tmp_path / "v1" / PAGE / "explanations" / "batch-0.jsonl.gz",
        [{"description": "owls"}, {"description": "bees"}],
    )
    run_command(["ingest", "sae", "--path", str(folder)])
    run_command(["ingest", "labels", "--neuronpedia", str(tmp_path / "v1")])
    assert _labels(engine) == [(0, "owls"), (1, "bees")]
    with engine.connect() as connection:
        urls = connection.exec_driver_sql("select neuronpedia_url from labels").scalars().all()
    assert sorted(urls) == [f"https://www.neuronpedia.org/{PAGE}/{i}" for i in (0, 1)]


def test_a_page_named_after_the_sae_was_ingested(engine: sa.Engine, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "sae")
    path = _write(tmp_path / "batch-0.jsonl", [{"description": "owls"}])
    words = ["ingest", "sae", "--path", str(folder)]
    run_command(words)
    labels = ["ingest", "labels", "--neuronpedia", str(path)]
    assert "--neuronpedia-id" in refused(labels)
    assert f"page on Neuronpedia now {PAGE}" in run_command([*words, "--neuronpedia-id", PAGE])
    run_command(labels)
    assert _labels(engine) == [(0, "owls")]


OTHER_KINDS: dict[str, dict[str, Any]] = {
    "features": {"maxActApprox": 1.5, "frac_nonzero": 0.01, "pos_str": ["a"], "pos_values": [1]},
    "activations": {"tokens": ["a", "b"], "values": [0, 1.5], "maxValue": 1.5},
    "logits": {"neg_str": [], "neg_values": []},
    "nothing": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize("name", ["batch-0.jsonl", "batch-0.jsonl.gz"])
@pytest.mark.parametrize("as_folder", [True, False])
def test_files_of_another_kind_than_explanations(
    engine: sa.Engine, tmp_path: Path, kind: str, name: str, as_folder: bool
) -> None:
    run_command(["ingest", "sae", "--path", str(tiny.make_sae(tmp_path / "sae"))])
    path = _write(tmp_path / "v1" / PAGE / kind / name, [OTHER_KINDS[kind]] * 3)
    source = path.parent if as_folder else path
    words = ["ingest", "labels", "--sae", "1", "--neuronpedia", str(source)]
    said = refused([*words, "--neuronpedia-id", PAGE])
    assert f"{name}:1: the field 'description' is missing" in said
    assert "explanations, not of features or activations" in said
    assert _labels(engine) == []
