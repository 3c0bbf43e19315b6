"""Every architecture that sae-lens can load is recorded exactly as its own ``encode`` computes."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
import transformers
from sae_lens import SAE
from sae_lens.registry import SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY
from transformer_lens.model_bridge import TransformerBridge

from saeatlas import errors
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.record import record
from saeatlas.ingest.corpora import open_corpus
from saeatlas.ingest.saes.load import load_sae
from saeatlas.ingest.saes.store import store_sae
from saeatlas.schema import tables
from tests.support import tiny

pytestmark = pytest.mark.slow

LENGTHS = [40, 3, 75, 64, 33, 90]
PARAMS: dict[str, Any] = {"context": 65, "block": 16, "batch_tokens": 140, "force": True}
TRANSCODERS = {name for name in SAE_CLASS_REGISTRY if "transcoder" in name}

Blocks = list[dict[int, float]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("model"), "gemma2", head_dim=8)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("gpt2"), "gpt2")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_corpus(tmp_path_factory.mktemp("corpus") / "texts.jsonl", LENGTHS)


def _record(engine: sa.Engine, model: Path, corpus: Path, *folders: Path, **changes: Any) -> Any:
    with engine.begin() as connection:
        for folder in folders:
            store_sae(connection, load_sae(path=folder))
    source = open_corpus(str(corpus), subset_field="meta.pile_set_name")
    names = [folder.name for folder in folders]
    options = Options.of(**(PARAMS | changes))
    record(engine, model=str(model), corpus=source, saes=names, options=options)
    with engine.connect() as connection:
        return connection.execute(sa.select(tables.recording).order_by("id")).all()


def _stored(engine: sa.Engine, recording: int = 1) -> Blocks:
    table = tables.activation
    with engine.connect() as connection:
        query = sa.select(table).where(table.c.recording == recording).order_by(table.c.block)
        rows = connection.execute(query).all()
    return [dict(zip(row.features, row.peaks, strict=True)) for row in rows]


def _lens(model: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TransformerBridge.boot_transformers(str(model), device="cpu")


def _documents(model: Path, corpus: Path) -> list[list[int]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    return [[tokenizer.bos_token_id, *row][: PARAMS["context"]] for row in rows]


def _reference(bridge: Any, documents: list[list[int]], folder: Path) -> Blocks:
    """Documents one by one through all of TransformerLens' model and ``sae.encode``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sae = SAE.load_from_disk(folder)
    blocks = []
    for ids in documents:
        with torch.inference_mode():
            inputs = bridge.run_with_cache(torch.tensor([ids]))[1][sae.cfg.metadata.hook_name]
            if sae.hook_z_reshaping_mode:
                assert inputs.shape[2:] == (3, tiny.D_MODEL // 3)  # sae-lens wants heads apart
            else:
                inputs = inputs.flatten(2)
            acts = sae.encode(inputs)[0].numpy()
        for begin in range(1, len(ids) - PARAMS["block"] + 1, PARAMS["block"]):
            peaks = acts[begin : begin + PARAMS["block"]].max(0)
            blocks.append({int(f): float(peaks[f]) for f in np.flatnonzero(peaks > 0)})
    return blocks


def _same(stored: Blocks, expected: Blocks) -> None:
    assert len(stored) == len(expected) == 16
    assert sum(map(len, expected)) > 50
    for ours, theirs in zip(stored, expected, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours == pytest.approx(theirs, abs=1e-4)


def _make(folder: Path, kind: str, **changes: Any) -> Path:
    if kind in TRANSCODERS:
        changes = {"site": "ln2.hook_normalized"} | changes
    return tiny.make_sae(folder, kind, **({"b_dec": 0.1, "bias": 0.0} | changes))


def test_all_architectures_are_those_of_sae_lens() -> None:
    assert SAE_CLASS_REGISTRY.keys() >= {
        "standard", "gated", "topk", "abstopk", "jumprelu", "matching_pursuit", "temporal",
        "transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder",
    }  # fmt: skip


@pytest.mark.parametrize("kind", sorted(SAE_CLASS_REGISTRY))
def test_an_architecture_is_recorded_as_it_encodes(
    engine: sa.Engine, model: Path, corpus: Path, tmp_path: Path, kind: str
) -> None:
    folder = _make(tmp_path / "r" / kind, kind)
    (recording,) = _record(engine, model, corpus, folder)
    _same(_stored(engine), _reference(_lens(model), _documents(model, corpus), folder))
    assert recording.l0 > 0
    assert (recording.explained_variance is None) == (kind in TRANSCODERS)
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.sae)).one()
        thresholds = connection.execute(sa.select(tables.feature.c.threshold)).scalars().all()
    assert (row.architecture, row.d_sae) == (kind, tiny.D_SAE)
    assert row.site == ("mlp" if kind in TRANSCODERS else "resid")
    assert all((limit is None) == ("jumprelu" not in kind) for limit in thresholds)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("standard", {"normalize_activations": "layer_norm"}),
        ("jumprelu", {"normalize_activations": "constant_norm_rescale"}),
        ("topk", {"normalize_activations": "layer_norm"}),
        ("temporal", {"normalize_activations": "none"}),
        ("temporal", {"sae_diff_type": "relu", "tied_weights": False}),
        ("standard", {"apply_b_dec_to_input": False}),
        ("topk", {"rescale_acts_by_decoder_norm": True}),
        ("matching_pursuit", {"residual_threshold": 3.0, "stop_on_duplicate_support": False}),
        ("transcoder", {"normalize_activations": "layer_norm"}),
        ("jumprelu_transcoder", {"site": "mlp.hook_in"}),
        ("jumprelu", {"site": "hook_mlp_out"}),
        ("standard", {"site": "hook_attn_out"}),
        ("gated", {"site": "hook_resid_mid"}),
        ("jumprelu", {"site": "hook_resid_pre", "layer": 0}),
        ("jumprelu", {"site": "attn.hook_z"}),
        ("jumprelu", {"site": "attn.hook_z", "reshape_activations": "hook_z"}),
        ("topk", {"site": "attn.hook_z", "reshape_activations": "hook_z"}),
    ],
    ids=str,
)
def test_settings_and_sites(
    engine: sa.Engine, model: Path, corpus: Path, tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    folder = _make(tmp_path / "r" / "one", kind, **changes)
    _record(engine, model, corpus, folder)
    _same(_stored(engine), _reference(_lens(model), _documents(model, corpus), folder))


def test_several_at_once_record_what_each_records_alone(
    engine: sa.Engine, model: Path, corpus: Path, tmp_path: Path
) -> None:
    kinds = ("jumprelu", "temporal", "topk", "skip_transcoder")
    folders = [_make(tmp_path / "r" / kind, kind) for kind in kinds]
    _record(engine, model, corpus, *folders)
    bridge, documents = _lens(model), _documents(model, corpus)
    for number, folder in enumerate(folders, 1):
        _same(_stored(engine, number), _reference(bridge, documents, folder))


def test_a_transcoder_between_places_of_two_widths(
    engine: sa.Engine, model: Path, corpus: Path, tmp_path: Path
) -> None:
    """Its decoder is as wide as what it writes; it is fitted to what it reads."""
    folder = _make(tmp_path / "r" / "one", "transcoder", d_out=40)
    _record(engine, model, corpus, folder)
    _same(_stored(engine), _reference(_lens(model), _documents(model, corpus), folder))
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.sae)).one()
    assert (row.d_in, row.config["d_in"], row.config["d_out"]) == (40, tiny.D_MODEL, 40)
    other = _make(tmp_path / "r" / "two", "transcoder", d_in=40, d_out=tiny.D_MODEL)
    with pytest.raises(errors.ModelMismatch, match="reads 40 dimensions"):
        _record(engine, model, corpus, other)


def test_an_sae_of_a_centred_model_reads_centred_activations(
    engine: sa.Engine, gpt2: Path, corpus: Path, tmp_path: Path
) -> None:
    """As gpt2-small-res-jb: TransformerLens' processing is done to the input activations."""
    said = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    terms: dict[str, Any] = {"bias": 1.0, "layer": 2}
    centred = tiny.make_sae(tmp_path / "r" / "centred", metadata=said, **terms)
    plain = tiny.make_sae(tmp_path / "r" / "plain", **terms)
    _record(engine, gpt2, corpus, centred, plain)
    bridge, documents = _lens(gpt2), _documents(gpt2, corpus)
    _same(_stored(engine, 2), _reference(bridge, documents, plain))
    bridge.enable_compatibility_mode()  # what it was trained on
    expected = _reference(bridge, documents, centred)
    _same(_stored(engine, 1), expected)
    assert _stored(engine, 1) != _stored(engine, 2)


def test_processing_that_cannot_be_followed_is_refused(
    engine: sa.Engine, gpt2: Path, corpus: Path, tmp_path: Path
) -> None:
    said = {"model_from_pretrained_kwargs": {"fold_value_biases": True}}
    folder = tiny.make_sae(tmp_path / "r" / "one", site="attn.hook_z", metadata=said)
    with pytest.raises(errors.UnsupportedSae, match=r"fold_value_biases(.|\n)*ingest table"):
        _record(engine, gpt2, corpus, folder)


def test_a_fit_is_measured_and_stored(
    engine: sa.Engine, model: Path, corpus: Path, tmp_path: Path
) -> None:
    """An SAE that copies its input explains all of it, and needs no --force."""
    sae = tiny.make_sae(tmp_path / "r" / "copy", "standard")
    loaded = SAE.load_from_disk(sae)
    state = loaded.state_dict()
    both = torch.cat([torch.eye(tiny.D_MODEL), -torch.eye(tiny.D_MODEL)])
    state["W_dec"] = torch.cat([both, torch.ones(48, tiny.D_MODEL)])
    state["W_enc"] = torch.cat([both, torch.zeros(48, tiny.D_MODEL)]).T.contiguous()
    state["b_enc"], state["b_dec"] = torch.zeros(96), torch.zeros(tiny.D_MODEL)
    loaded.load_state_dict(state)
    loaded.save_model(sae)
    (recording,) = _record(engine, model, corpus, sae, force=False)
    assert recording.explained_variance == pytest.approx(1, abs=1e-5)
    assert recording.l0 == pytest.approx(tiny.D_MODEL, abs=1)
    assert recording.forced is False


@pytest.mark.parametrize(
    "kind", sorted(SAE_TRAINING_CLASS_REGISTRY.keys() - SAE_CLASS_REGISTRY.keys())
)
def test_saes_in_training_are_refused_until_they_are_saved_for_use(
    tmp_path: Path, kind: str
) -> None:
    sae_class, config_class = SAE_TRAINING_CLASS_REGISTRY[kind]
    extra = {"matryoshka_widths": [32, tiny.D_SAE]} if "matryoshka" in kind else {}
    sae = sae_class(config_class(d_in=tiny.D_MODEL, d_sae=tiny.D_SAE, k=5, **extra))
    sae.save_model(tmp_path / "training")
    with pytest.raises(errors.UnsupportedSae, match=rf"{kind}'(.|\n)*save_inference_model"):
        load_sae(path=tmp_path / "training")
    sae.save_inference_model(tmp_path / "use")
    assert load_sae(path=tmp_path / "use").architecture == "jumprelu"


def test_a_model_that_overflows_is_refused(engine: sa.Engine, corpus: Path, tmp_path: Path) -> None:
    model = tiny.make_model(tmp_path / "model")
    network = transformers.AutoModel.from_pretrained(model)
    network.layers[1].mlp.down_proj.weight.data[:] = float("inf")
    network.save_pretrained(model)
    folder = tiny.make_sae(tmp_path / "r" / "one")
    with pytest.raises(errors.ModelMismatch, match=r"NaN or infinity(.|\n)*bfloat16"):
        _record(engine, model, corpus, folder)
    with engine.connect() as connection:
        assert connection.execute(sa.select(tables.recording)).all() == []
