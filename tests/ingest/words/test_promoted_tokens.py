"""Tokens that features promote, compared with plain numpy and with the model's own logits."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.ingest.models import families, unembedding
from saeatlas.ingest.saes import load, store
from saeatlas.ingest.words import promoted_tokens
from saeatlas.progress import Progress
from saeatlas.schema.rows import remove, sae_vectors
from tests.support import tiny
from tests.support.commands import run_command

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module", params=sorted(tiny.FAMILIES))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("gpt2"), "gpt2")


def ingest(engine: sa.Engine, folder: Path, kind: str = "jumprelu", **terms: Any) -> int:
    tiny.make_sae(folder, kind, **terms)
    with engine.begin() as connection:
        return store.store_sae(connection, load.load_sae(path=folder)).sae


def find(engine: sa.Engine, sae: int, model: Path, top: int = 10) -> str:
    done = promoted_tokens.find_tokens(engine, sae, model=str(model), top=top, device="cpu")
    return done.summary


def rows(engine: sa.Engine, sae: int = 1) -> list[dict[str, Any]]:
    query = f"select * from atlas.feature_tokens where sae = {sae} order by feature, rank"
    with engine.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(query).mappings()]


def _logits(vectors: Array, weight: Array, scale: Array, *, centred: bool) -> Array:
    """The definition: W_U times the vector, the final norm's scale folded in."""
    if centred:
        vectors = vectors - vectors.mean(axis=1, keepdims=True)
    return (vectors * scale) @ weight.T


def _strongest(logits: Array, top: int) -> Array:
    """Rank tokens by logit, ties by id, a plain sort of each row."""
    return np.array(
        [sorted(range(len(row)), key=lambda i: (-row[i], i))[:top] for row in logits.tolist()]
    )


def _own_scale(folder: Path) -> tuple[Array, Array, bool]:
    """W_U, the factors as each family stores them, whether its norm takes the mean away."""
    full = transformers.AutoModelForCausalLM.from_pretrained(folder)
    kind = full.config.model_type
    norm: Any = full.base_model.get_submodule(families.FAMILIES[kind].norm)
    stored = norm.weight.detach().numpy()
    weight = full.get_output_embeddings().weight.detach().numpy()
    return weight, stored + kind.startswith("gemma"), isinstance(norm, torch.nn.LayerNorm)


def test_tokens_are_those_of_plain_numpy(engine: sa.Engine, family: Path, tmp_path: Path) -> None:
    sae = ingest(engine, tmp_path / "saes" / "one")
    assert find(engine, sae, family) == "Run 1: tokens of 96 features"
    with engine.connect() as connection:
        vectors = sae_vectors.read(connection, sae)
    weight, scale, centred = _own_scale(family)
    logits = _logits(vectors.astype(np.float64), weight, scale, centred=centred)
    found = rows(engine)
    assert [(row["feature"], row["rank"]) for row in found] == [
        (feature, rank) for feature in range(96) for rank in range(1, 11)
    ]
    ids = np.array([row["token_id"] for row in found]).reshape(96, 10)
    own = np.array([row["logit"] for row in found]).reshape(96, 10)
    np.testing.assert_allclose(own, np.take_along_axis(logits, ids, 1), atol=1e-5, rtol=1e-5)
    best = np.take_along_axis(logits, _strongest(logits, 10), 1)
    np.testing.assert_allclose(own, best, atol=1e-5, rtol=1e-5)  # near ties may change places


def test_a_feature_moves_the_logits_as_its_tokens_say(tmp_path: Path) -> None:
    """To first order, at a stream whose norm stays: the model's own final norm and unembedding."""
    for name in ("gpt2", "llama"):
        folder = tiny.make_family(tmp_path / name, name)
        full = transformers.AutoModelForCausalLM.from_pretrained(folder)
        norm: Any = full.base_model.get_submodule(families.FAMILIES[full.config.model_type].norm)
        out = unembedding.load_unembedding(str(folder), 10**6, "cpu")
        random = np.random.default_rng(0)
        stream = 1000 * random.normal(size=24)
        feature = random.normal(size=24)
        feature -= feature.mean()
        feature -= stream * (feature @ (stream - stream.mean())) / (stream @ stream)

        def head(x: Array, norm: Any = norm, full: Any = full) -> Array:
            with torch.inference_mode():
                return full.lm_head(norm(torch.tensor(x, dtype=torch.float32))).numpy()

        moved = (head(stream + 10 * feature) - head(stream - 10 * feature)) / 20
        ids, logits = out.strongest(feature[None].astype(np.float32), 5)
        size = (stream - stream.mean() * out.centred).std() if out.centred else None
        size = size or np.sqrt((stream**2).mean())
        np.testing.assert_allclose(moved[ids[0]] * size, logits[0], rtol=0.05)
        assert set(ids[0][:3]) <= set(np.argsort(-moved)[:6])


@given(data=st.data(), n=st.integers(1, 6), v=st.integers(1, 12), d=st.integers(1, 4))
def test_ties_go_to_the_lower_token(data: st.DataObject, n: int, v: int, d: int) -> None:
    small = st.integers(-2, 2)  # exact in float32, and often the same
    vectors = np.array(data.draw(st.lists(small, min_size=n * d, max_size=n * d)), np.float32)
    weight = np.array(data.draw(st.lists(small, min_size=v * d, max_size=v * d)), np.float32)
    vectors, weight = vectors.reshape(n, d), weight.reshape(v, d)
    top = data.draw(st.integers(1, v))
    out = unembedding.Unembedding(torch.from_numpy(weight), torch.full((d,), 2.0), centred=False)
    ids, logits = out.strongest(vectors, top)
    expected = _logits(vectors, weight, np.full(d, 2.0), centred=False)
    assert (ids == _strongest(expected, top)).all()
    assert (logits == np.take_along_axis(expected, ids, 1)).all()


def test_blocks_of_features_change_nothing(
    engine: sa.Engine, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sae = ingest(engine, tmp_path / "saes" / "one")
    find(engine, sae, model)
    whole = rows(engine)
    with engine.begin() as connection:
        remove.remove_run(connection, 1)
    assert not rows(engine)
    monkeypatch.setattr(promoted_tokens, "LOGITS", 2_000)  # six features at a time
    steps: list[Progress] = []
    promoted_tokens.find_tokens(engine, sae, model=str(model), device="cpu", report=steps.append)
    assert len(steps) == 17 and steps[1].done == 6
    parts = rows(engine)
    assert [row["token_id"] for row in parts] == [row["token_id"] for row in whole]
    np.testing.assert_allclose(
        [row["logit"] for row in parts], [row["logit"] for row in whole], rtol=1e-5
    )


def test_texts_and_lengths_of_tokens(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    sae = ingest(engine, tmp_path / "saes" / "one")
    find(engine, sae, model, top=1_000)  # more than there are
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    found = [row for row in rows(engine) if row["feature"] == 3]
    assert sorted(row["token_id"] for row in found) == list(range(len(tokenizer)))
    for row in found:
        text = str(tokenizer.decode([row["token_id"]])).replace("\0", "\ufffd")
        assert row["token"] == text
        assert row["n_characters"] == len(text.removeprefix(" "))
    assert any(row["token"] == " with" and row["n_characters"] == 4 for row in found)
    assert {row["release"] for row in found} == {"saes"}


def test_rows_beyond_the_tokenizers_are_no_tokens(
    engine: sa.Engine, model: Path, tmp_path: Path
) -> None:
    padded = tmp_path / "padded"
    full = transformers.AutoModelForCausalLM.from_pretrained(model)
    full.resize_token_embeddings(400)
    with torch.no_grad():
        full.get_output_embeddings().weight[300:] = 100
    shutil.copytree(model, padded)
    full.save_pretrained(padded)
    sae = ingest(engine, tmp_path / "saes" / "one")
    find(engine, sae, padded)
    assert max(row["token_id"] for row in rows(engine)) < 300


def test_features_without_direction_have_no_tokens(
    engine: sa.Engine, model: Path, tmp_path: Path
) -> None:
    decoder = np.random.default_rng(0).normal(size=(5, 24)).astype(np.float32)
    decoder[2] = 0
    np.save(tmp_path / "bare.npy", decoder)
    with engine.begin() as connection:
        loaded = load.load_sae(path=tmp_path / "bare.npy", allow_zero_rows=True)
        sae = store.store_sae(connection, loaded).sae
    assert find(engine, sae, model, top=2).endswith("1 have an all-zero decoder vector and none")
    assert [row["feature"] for row in rows(engine)] == [0, 0, 1, 1, 3, 3, 4, 4]
    with engine.connect() as connection:
        quality = connection.exec_driver_sql("select quality from atlas.run").scalar_one()
    assert quality == {"n_features": 4, "n_zero": 1}


def test_the_same_again_changes_nothing_and_other_parameters_replace(
    engine: sa.Engine, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sae = ingest(engine, tmp_path / "saes" / "one")
    find(engine, sae, model, top=3)
    with monkeypatch.context() as patch:
        patch.setattr(unembedding, "load_unembedding", None)
        assert find(engine, sae, model, top=3) == "Run 1: already there, unchanged"
    find(engine, sae, model, top=5)
    found = rows(engine)
    assert {row["run"] for row in found} == {2} and len(found) == 5 * 96
    with engine.connect() as connection:
        run = connection.exec_driver_sql("select sae, params from atlas.run").one()
    assert run.sae == sae and run.params["model"] == str(model) and run.params["top"] == 5


def test_tokens_go_with_their_sae_and_no_other(
    engine: sa.Engine, model: Path, tmp_path: Path
) -> None:
    first = ingest(engine, tmp_path / "saes" / "one")
    second = ingest(engine, tmp_path / "saes" / "two", seed=1)
    find(engine, first, model)
    find(engine, second, model)
    with engine.begin() as connection:
        remove.remove_sae(connection, first)
    assert not rows(engine, first) and len(rows(engine, second)) == 960


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("jumprelu", {"site": "hook_mlp_out"}),
        ("jumprelu", {"site": "hook_attn_out"}),
        ("transcoder", {"site": "ln2.hook_normalized"}),
        ("topk", {"site": "hook_resid_pre"}),
        ("topk", {"metadata": {"hook_name": "model.layers.1"}}),
    ],
)
def test_what_writes_to_the_residual_stream_has_tokens(
    engine: sa.Engine, model: Path, tmp_path: Path, kind: str, terms: dict[str, Any]
) -> None:
    sae = ingest(engine, tmp_path / "saes" / "one", kind, **terms)
    find(engine, sae, model)
    assert len(rows(engine)) == 960


@pytest.mark.parametrize("site", ["attn.hook_z", "mlp.hook_in", "ln2.hook_normalized"])
def test_what_does_not_is_refused(
    engine: sa.Engine, model: Path, tmp_path: Path, site: str
) -> None:
    sae = ingest(engine, tmp_path / "saes" / "one", site=site)  # as wide as the residual stream
    with pytest.raises(errors.UnsupportedSae, match=f"of blocks.1.{site}(.|\n)*residual stream"):
        find(engine, sae, model)


def test_models_that_do_not_fit(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    wide = ingest(engine, tmp_path / "saes" / "wide", d_in=30)
    with pytest.raises(errors.ModelMismatch, match=r"30 dimensions; the residual stream.* has 24"):
        find(engine, wide, model)
    sae = ingest(engine, tmp_path / "saes" / "one")
    with pytest.raises(errors.UnknownName, match="no SAE 7"):
        find(engine, 7, model)
    damaged = shutil.copytree(model, tmp_path / "damaged")
    full = transformers.AutoModelForCausalLM.from_pretrained(model)
    with torch.no_grad():
        full.get_output_embeddings().weight[5, 5] = torch.nan
    full.save_pretrained(damaged)
    find(engine, sae, model, top=2)
    with pytest.raises(errors.ModelMismatch, match="NaN or infinity"):
        find(engine, sae, damaged)
    assert len(rows(engine, sae)) == 2 * 96  # those found before are still there


def test_from_the_command_line(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    ingest(engine, tmp_path / "saes" / "one")
    command = ["ingest", "tokens", "--model", str(model), "--sae", "saes/one", "--top", "2"]
    assert "Run 1: tokens of 96 features" in run_command(command)
