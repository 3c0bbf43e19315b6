"""What can be ingested from the command line can be ingested from Python."""

import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.api.ingest import Ingest
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.simulation import Params
from saeatlas.progress import Progress
from saeatlas.schema import tables
from tests.support import tiny
from tests.support.rows import rows_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("model"), "gpt2")


def test_an_sae_its_activations_and_its_tokens(
    engine: sa.Engine, model: Path, tmp_path: Path
) -> None:
    ingest = Ingest(engine)
    folder = tiny.make_sae(tmp_path / "saes" / "one")
    sae = ingest.sae(path=folder, encoder=True)
    assert ingest.sae(path=str(folder)) == sae
    assert len(rows_of(engine, tables.encoder)) == tiny.D_SAE
    corpus = tiny.write_corpus(tmp_path / "texts.jsonl", [40, 70, 20])
    steps: list[Progress] = []
    (recording,) = ingest.activations(
        model=str(model), corpus=corpus, saes=[sae], subset_field="meta.pile_set_name",
        context=65, block=16, force=True, progress=steps.append,
    )  # fmt: skip
    (row,) = rows_of(engine, tables.recording)
    assert (row.id, row.sae, row.n_documents, row.state) == (recording, sae, 3, "complete")
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, 3, 3)
    assert any(step.rate.endswith("tokens/s") for step in steps)
    run = ingest.tokens(sae="saes/one", model=str(model), top=2)
    assert [one.analysis for one in rows_of(engine, tables.run) if one.id == run] == ["tokens"]
    assert ingest.tokens(sae=sae, model=str(model), top=2) == run


def test_words_of_a_model_and_of_a_file(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps([{"input": "the", "output": "of"}]))
    ingest = Ingest(engine)
    first = ingest.words(pairs=[pairs], model=str(model), layers=[0, 1])
    assert ingest.words(model=str(model), layers=[1, 0]) == first[::-1]
    np.savez(tmp_path / "v.npz", words=np.array(["the", "of"]), vectors=np.eye(2))
    (space,) = ingest.words(vectors=tmp_path / "v.npz", name="mine")
    assert [row.id for row in rows_of(engine, tables.word_space) if row.name == "mine"] == [space]
    for given in ({}, {"model": "m"}, {"model": "m", "layers": [0], "vectors": "v"}):
        with pytest.raises(errors.InputError, match="a model and its layers, or vectors"):
            ingest.words(**given)


def test_simulations_tables_counts_and_labels(engine: sa.Engine, tmp_path: Path) -> None:
    ingest = Ingest(engine)
    recording = ingest.simulated(
        features=20, d_model=8, blocks=30, active=3.0, parallelograms=0, trapezoids=0
    )
    assert ingest.simulated(
        features=20, d_model=8, blocks=30, active=3.0, parallelograms=0, trapezoids=0
    ) == recording  # fmt: skip
    columns = {"document": [0, 1], "block": [0, 0], "latent": [3, 5], "activation": [1.0, 2.0]}
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    made = ingest.table(path=tmp_path / "t.csv", sae=1, columns={"feature": "latent"})
    assert [row.id for row in rows_of(engine, tables.recording)] == [recording, made]
    counts = np.eye(20, dtype=np.int64)
    np.savez(tmp_path / "c.npz", histogram=counts, n_chunks=2)
    run = ingest.cooccurrence(path=tmp_path / "c.npz", sae="simulated")
    assert [row.id for row in rows_of(engine, tables.run)] == [run]
    (tmp_path / "l.csv").write_text("feature,text\n3,of the sea\n")
    assert ingest.labels(csv=tmp_path / "l.csv", sae=1) == [1]
    assert [row.text for row in rows_of(engine, tables.label)] == ["of the sea"]


def test_one_sae_a_layer_of_a_release(engine: sa.Engine) -> None:
    with pytest.raises(errors.UnknownName, match="no layer 99"):
        Ingest(engine).layers(release="gpt2-small-res-jb", layers=[99])


def _defaults(method: Any) -> dict[str, Any]:
    found = inspect.signature(method).parameters
    return {name: one.default for name, one in found.items()}


def test_every_parameter_of_a_simulation_is_an_argument_with_its_default() -> None:
    given = _defaults(Ingest.simulated)
    for one in fields(Params):
        assert given[one.name] == one.default, one.name


def test_every_option_of_a_recording_is_an_argument() -> None:
    given = _defaults(Ingest.activations)
    for one in fields(Options):
        if one.name != "special_tokens":  # the preset decides
            assert given[one.name] in (None, one.default), one.name
