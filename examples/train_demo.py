"""Train the demo's language model and sparse autoencoders, and measure them.

    python examples/train_demo.py --texts FOLDER

reads the folder's .jsonl or .jsonl.gz files in The Pile's form ({"text", "meta":
{"pile_set_name"}}), adds texts of this machine's Python installation, and writes
model/, saes/layer_0 ... layer_5/, metrics.json and MODEL_CARD.md. About 45 minutes on two cores.
"""

import json
import multiprocessing
import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import demo_card
import demo_corpus
import demo_model
import demo_saes
import numpy as np
import torch
from transformers import Gemma2ForCausalLM

from saeatlas.demo import texts

STEPS = ("tokenizer", "model", "activations", "saes", "card")
WORK = Path(tempfile.gettempdir(), "saeatlas-demo")
MODEL_NAME = "saeatlas-demo"
PER_SUBSET = 20  # contexts of each held-out document type that measurements use
N_ACTIVATIONS = 1_200_000  # tokens whose activations the autoencoders are trained on
RECIPES = tuple(
    demo_saes.Recipe(layer, k=k, width=16, n_samples=4_000_000)
    for layer, k in enumerate((4, 6, 6, 6, 6, 6))  # layer 0 has little more to say than the token
)


@click.command()
@click.option("--texts", "folder", type=click.Path(path_type=Path, available=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("saeatlas/demo"))
@click.option("--minutes", default=26.0, help="Time to train the model for.")
@click.option("--work", type=click.Path(path_type=Path), default=WORK, help="For large files.")
@click.option("--steps", default=",".join(STEPS), help="Stages to run, of these.")
def main(folder: Path, out: Path, minutes: float, work: Path, steps: str) -> None:
    """Train the demo's model and autoencoders on FOLDER and on this machine's own texts."""
    model_folder = out / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    training, held_out = demo_corpus.build(folder)
    if "tokenizer" in steps:
        demo_model.train_tokenizer(training, model_folder)
    if "model" in steps:
        streams = demo_model.encode(training, model_folder)
        click.echo(f"{sum(map(len, streams)):,} training tokens in {len(streams):,} documents")
        _note(out, model=demo_model.train_model(streams, model_folder, minutes))
    if "activations" in steps:
        _record(out, work, training)
    if "saes" in steps:
        _train_saes(out, work)
    if "card" in steps:
        _measure(out, held_out)
        demo_card.write(out)


def _record(out: Path, work: Path, training: list[texts.Document]) -> None:
    """Record activations of the shipped model."""
    started = time.monotonic()
    cut = demo_saes.contexts(demo_model.encode(training, out / "model"))
    random.Random(0).shuffle(cut)
    work.mkdir(parents=True, exist_ok=True)
    n = demo_saes.record(_load_model(out), cut, N_ACTIVATIONS, work / "activations.npy")
    _note(out, n_activations=n, activation_minutes=_minutes_since(started))


def _train_saes(out: Path, work: Path) -> None:
    """Train an autoencoder on each layer's activations, a core each."""
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        jobs = [pool.submit(_train_sae, recipe, out, work) for recipe in RECIPES]
        for job in jobs:
            job.result()
    _note(out, sae_minutes=_minutes_since(started))


def _train_sae(recipe: demo_saes.Recipe, out: Path, work: Path) -> None:
    torch.set_num_threads(1)
    activations = np.load(work / "activations.npy", mmap_mode="r")[recipe.layer]
    metadata = {
        "model_name": MODEL_NAME,
        "hook_name": f"blocks.{recipe.layer}.hook_resid_post",
        "prepend_bos": True,
        "context_size": demo_model.CONTEXT,
        "dataset": "nine document types in The Pile's style and files of a Python "
        "installation; see MODEL_CARD.md",
    }
    target = out / "saes" / f"layer_{recipe.layer}"
    demo_saes.train_sae(np.array(activations), recipe, target, metadata)


def _minutes_since(started: float) -> float:
    return round((time.monotonic() - started) / 60, 1)


def _measure(out: Path, held_out: list[texts.Document]) -> None:
    """Measure the saved files on held-out texts: all of them, and this machine's own."""
    model = _load_model(out)
    grouped = _by_origin(held_out)
    encoded = {
        origin: {name: demo_model.encode(docs, out / "model") for name, docs in subsets.items()}
        for origin, subsets in grouped.items()
    }
    losses = {
        origin: demo_model.validation_loss(model, subsets) for origin, subsets in encoded.items()
    }
    cut = {
        origin: [
            context
            for streams in subsets.values()
            for context in _sample(demo_saes.contexts(streams))
        ]
        for origin, subsets in encoded.items()
    }
    saes = [demo_saes.load(out / "saes" / f"layer_{recipe.layer}") for recipe in RECIPES]
    every = demo_saes.measure(model, [c for contexts in cut.values() for c in contexts], saes)
    own = demo_saes.measure(model, cut["own"], saes)
    rows = [
        {"layer": r.layer, "k": r.k, "d_sae": sae.cfg.d_sae, "all": a, "own": o}
        for r, sae, a, o in zip(RECIPES, saes, every, own, strict=True)
    ]
    _note(out, validation=losses, saes=rows)


def _by_origin(
    documents: Iterable[texts.Document],
) -> dict[str, dict[str, list[texts.Document]]]:
    """Group documents by where they come from (only this machine's have a path) and by type."""
    groups: dict[str, dict[str, list[texts.Document]]] = {}
    for document in documents:
        origin = "own" if "path" in document["meta"] else "folder"
        subset = document["meta"]["pile_set_name"]
        groups.setdefault(origin, defaultdict(list))[subset].append(document)
    return groups


def _sample(contexts: list[Any]) -> list[Any]:
    random.Random(0).shuffle(contexts)
    return contexts[:PER_SUBSET]


def _load_model(out: Path) -> Gemma2ForCausalLM:
    """Load the shipped model as the demo does: bf16 weights, fp32 arithmetic."""
    model = Gemma2ForCausalLM.from_pretrained(out / "model", dtype=torch.float32).eval()
    model.config._attn_implementation = "sdpa"  # the same numbers, much sooner
    return model


def _note(out: Path, **measured: Any) -> None:
    """Put measured things into metrics.json."""
    path = out / "metrics.json"
    metrics = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(metrics | measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
