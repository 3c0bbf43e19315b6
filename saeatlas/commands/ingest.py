"""`saeatlas ingest`: SAEs, activations, counts and simulated catalogs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from saeatlas.commands.console import bars, catalog, resumable
from saeatlas.commands.options import layers as read_layers
from saeatlas.commands.options import options


@click.group()
def ingest() -> None:
    """Bring SAEs, their activations, labels and words into the catalog."""


_allow_zero_rows = click.option(
    "--allow-zero-rows", is_flag=True, help="Accept features whose decoder vector is all zero."
)

_encoder = click.option(
    "--encoder",
    is_flag=True,
    help="Store the encoder vectors too, also for an SAE that is already in the catalog.",
)


@ingest.command("sae")
@click.option("--release", help="sae-lens release or hub repository; with --path, a name for it.")
@click.option("--sae-id", help="SAE within the release; with --path, a name for it.")
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    help="sae-lens or Gemma Scope folder, or a .npz, .npy or .safetensors file with W_dec.",
)
@click.option("--hook-name", help="Hook name of its input site, if its files do not say.")
@click.option("--model-name", help="Model it was trained on, if its files do not say.")
@_allow_zero_rows
@_encoder
def ingest_sae(encoder: bool, **names: Any) -> None:
    """Ingest one SAE.

    Example: saeatlas ingest sae --release gpt2-small-res-jb --sae-id blocks.8.hook_resid_pre
    """
    from saeatlas.ingest.saes import load as saes
    from saeatlas.ingest.saes import store

    engine = catalog()
    loaded = saes.load_sae(**names)
    with engine.begin() as connection:
        click.echo(store.store_sae(connection, loaded, encoder=encoder).summary)


@ingest.command("layers")
@click.argument("layers", callback=read_layers)
@click.option("--release", required=True, help="sae-lens release.")
@click.option("--width", help="Number of features as the release writes it: 16k.")
@click.option("--l0", help="41, closest:50 or canonical.")
@click.option(
    "--site",
    type=click.Choice(["resid", "mlp", "att"]),
    help="Part of the model, if the release has SAEs of several.",
)
@_allow_zero_rows
@_encoder
def ingest_layers(
    layers: tuple[int, ...], release: str, allow_zero_rows: bool, encoder: bool, **wanted: Any
) -> None:
    """Ingest one SAE for each of LAYERS, such as 12, 0-5 or 0,4-6.

    Example: saeatlas ingest layers 0-25 --release gemma-scope-2b-pt-res --width 16k --l0 closest:50
    """
    from saeatlas.ingest.saes import load as saes
    from saeatlas.ingest.saes import registry, store

    entries = registry.select_entries(release, layers, **wanted)
    engine = catalog()
    for entry in entries:
        loaded = saes.load_sae(entry.release, entry.sae_id, allow_zero_rows=allow_zero_rows)
        with engine.begin() as connection:
            click.echo(store.store_sae(connection, loaded, encoder=encoder).summary)


_corpus_options = options(
    click.option(
        "--corpus",
        required=True,
        help="Hub data set, JSONL (.gz, .zst), Parquet, or a folder of texts.",
    ),
    click.option("--split", default="train", show_default=True, help="Split of a hub data set."),
    click.option("--config", help="Configuration of a hub data set."),
    click.option("--text-field", default="text", show_default=True, help="Field with the text."),
    click.option("--subset-field", help="Field with the document type: meta.pile_set_name."),
    click.option(
        "--on-bad-document",
        type=click.Choice(["error", "skip"]),
        default="error",
        show_default=True,
        help="Stop at an unreadable document, or leave it out and count it.",
    ),
)

_recording_options = options(
    click.option(
        "--documents", type=click.IntRange(min=1), help="Documents to read.  [default: all]"
    ),
    click.option(
        "--preset",
        type=click.Choice(["default", "paper"]),
        default="default",
        show_default=True,
        help="paper: only activations above 1, and no special token but BOS left out.",
    ),
    click.option(
        "--context", type=click.IntRange(min=2), help="Tokens of a document.  [default: 1024]"
    ),
    click.option("--block", type=click.IntRange(min=1), help="Tokens of a block.  [default: 256]"),
    click.option(
        "--tail",
        help="Partial last blocks: drop, keep, or keep those with at least so many tokens.  "
        "[default: drop]",
    ),
    click.option(
        "--keep-above", type=float, help="Store only maxima above this.  [default: 0; paper: 1]"
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16"]),
        help="Precision.  [default: float32]",
    ),
    click.option("--device", help="cpu, cuda, mps.  [default: the fastest available]"),
    click.option(
        "--batch-tokens", type=click.IntRange(min=1), help="Tokens at a time.  [default: 8192]"
    ),
    click.option("--text", "store_text", is_flag=True, help="Store each block's text too."),
    click.option(
        "--covariance",
        is_flag=True,
        help="Collect mean and covariance of each SAE's input activations.",
    ),
    click.option(
        "--force",
        is_flag=True,
        help="Record even if the SAE explains little of the model's variance.",
    ),
)


@ingest.command("activations")
@click.option("--model", required=True, help="Hub id or folder of a transformers model.")
@click.option(
    "--sae",
    "saes",
    multiple=True,
    required=True,
    help="SAE by number or name, or a release; repeatable.",
)
@_corpus_options
@_recording_options
def ingest_activations(
    model: str,
    saes: tuple[str, ...],
    corpus: str,
    split: str,
    config: str | None,
    text_field: str,
    subset_field: str | None,
    on_bad_document: Any,
    preset: Any,
    **options: Any,
) -> None:
    """Run a model over a corpus and store the maximum activations of SAEs in each block.

    One forward pass serves all SAEs named. If it is stopped, run the same command again to
    continue.

    Example: saeatlas ingest activations --model gpt2 --corpus pile.jsonl.zst
    --subset-field meta.pile_set_name --sae gpt2-small-res-jb --documents 1000
    """
    from saeatlas.ingest import corpora
    from saeatlas.ingest.activations import record
    from saeatlas.ingest.activations.options import Options

    chosen = Options.of(preset, **options)
    documents = corpora.open_corpus(
        corpus,
        text_field=text_field,
        subset_field=subset_field,
        split=split,
        config=config,
        on_bad_document=on_bad_document,
    )
    engine = catalog()
    with resumable(), bars() as report:
        done = record.record(
            engine, model=model, corpus=documents, saes=saes, options=chosen, report=report
        )
    click.echo(done.summary)


@ingest.command("table")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--sae", required=True, help="SAE that the features belong to.")
@click.option(
    "--keep-above",
    type=float,
    default=0.0,
    show_default=True,
    help="Activation floor: store only maxima above this.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    help="Name of a column in the file, such as feature=latent.",
)
@click.option(
    "--corpus", type=int, help="Number of the corpus whose documents and blocks these are."
)
def ingest_table(path: Path, columns: tuple[str, ...], **options: Any) -> None:
    """Ingest activations computed elsewhere: Parquet, CSV, or Delphi's latent cache.

    Example: saeatlas ingest table latents/model.layers.12 --sae gemma-scope/layer_12
    """
    from saeatlas.ingest import tables

    renamed = dict(_pair(column) for column in columns)
    engine = catalog()
    with bars() as report:
        done = tables.ingest_table(engine, path, columns=renamed, report=report, **options)
    click.echo(done.summary)


_simulation_options = options(
    click.option("--features", type=int, help="Features, dead ones included.  [default: 1024]"),
    click.option("--d-model", type=int, help="Width of a decoder vector.  [default: 128]"),
    click.option("--lobes", type=int, help="Lobes planted, of equal size.  [default: 3]"),
    click.option(
        "--active", type=float, help="Mean active features per block.  [default: 6.7% of them]"
    ),
    click.option("--blocks-per-document", type=int, help="Blocks of each document.  [default: 3]"),
    click.option(
        "--subsets", type=int, help="Document types, each preferring a lobe.  [default: 3 per lobe]"
    ),
    click.option(
        "--preference",
        type=float,
        help="How much a document's lobe decides. 0: features are independent.  [default: 0.5]",
    ),
    click.option(
        "--geometry",
        type=float,
        help="How much decoder vectors follow lobes. 0: not at all, 1: strongly.  [default: 0.2]",
    ),
    click.option(
        "--density-exponent", type=float, help="Densities fall as rank^-this.  [default: 1]"
    ),
    click.option(
        "--spectrum-exponent",
        type=float,
        help="Eigenvalues fall as rank^-this. 0: isotropic.  [default: 0.4]",
    ),
    click.option("--parallelograms", type=int, help="Parallelograms planted.  [default: 20]"),
    click.option("--trapezoids", type=int, help="Trapezoids planted.  [default: 10]"),
    click.option(
        "--function-vectors", type=int, help="Directions that crystals share.  [default: 5]"
    ),
    click.option(
        "--distractors", type=int, help="Directions that shift crystals' points.  [default: 0]"
    ),
    click.option("--dead", type=float, help="Share of features never active.  [default: 0.02]"),
    click.option("--seed", type=int, help="Seed of the random numbers.  [default: 0]"),
)


@ingest.command("simulated")
@click.option(
    "--blocks", type=click.IntRange(min=1), default=5_000, show_default=True,
    help="Blocks wanted, in whole documents.",
)  # fmt: skip
@_simulation_options
@click.option("--release", default="simulated", show_default=True, help="Name of its release.")
@click.option("--sae-id", help="Name within the release.  [default: 1024x128-seed0]")
@click.option("--layer", type=click.IntRange(min=0), help="Layer to store for it.")
def ingest_simulated(
    blocks: int, release: str, sae_id: str | None, layer: int | None, **given: Any
) -> None:
    """Simulate an SAE, its features and their activations: a catalog with a known answer.

    The tables planted_feature and planted_crystal have the truth. A larger --blocks extends the
    recording.

    Example: saeatlas ingest simulated --features 16384 --d-model 2304 --blocks 150000 --lobes 3
    """
    from saeatlas.ingest.simulation import Params, job

    params = Params(**{name: value for name, value in given.items() if value is not None})
    names: Any = {"release": release, "sae_id": sae_id, "layer": layer}
    engine = catalog()
    with resumable(), bars() as report:
        done = job.simulate(engine, params, blocks=blocks, report=report, **names)
    click.echo(done.summary)


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=COLUMN, such as feature=latent.")
    return ours, theirs


@ingest.command("cooccurrence")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--sae", required=True, help="SAE that the features belong to.")
def ingest_cooccurrence(path: Path, sae: str) -> None:
    """Ingest counts of co-occurrence computed elsewhere: the published code's .npz files.

    Example: saeatlas ingest cooccurrence histogram.npz --sae gemma-scope/layer_12
    """
    from saeatlas.ingest import cooccurrence_file

    click.echo(cooccurrence_file.ingest_cooccurrence(catalog(), path, sae=sae).summary)
