"""`saeatlas ingest`: SAEs and activations."""

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
    help="An SAE's folder, or a file with W_dec: .npy, .npz, .safetensors, .pt.",
)
@click.option("--hook-name", help="Hook name of its input site, if its files do not say.")
@click.option("--model-name", "--model", "model_name",
              help="Model it was trained on, if its files do not say.")  # fmt: skip
@click.option("--layer", type=click.IntRange(min=0),
              help="Decoder layer of its input site, if its files do not say.")  # fmt: skip
@click.option("--site", type=click.Choice(["resid", "mlp", "att"]),
              help="Part of the model, if its files do not say.")  # fmt: skip
@click.option("--no-weights", is_flag=True,
              help="Only names for its features, where the weights are not at hand.")  # fmt: skip
@click.option("--features", type=int, help="--no-weights only: number of features.")
@click.option("--neuronpedia-id", metavar="MODEL/SOURCE",
              help="Its page on Neuronpedia, if its files do not say.")  # fmt: skip
@_allow_zero_rows
@_encoder
def ingest_sae(
    encoder: bool, no_weights: bool, features: int | None, path: Path | None,
    allow_zero_rows: bool, layer: int | None, site: Any, **names: Any,
) -> None:  # fmt: skip
    """Ingest one SAE.

    With --no-weights labels, activations, clusterings, maps and attributes of its features can be
    ingested; the same name with --path adds the weights later.

    Example: saeatlas ingest sae --release gpt2-small-res-jb --sae-id blocks.8.hook_resid_pre

    Example: saeatlas ingest sae --no-weights --features 24576 --model gpt2 --layer 8 --site resid
    """
    from saeatlas.ingest.saes import load, store, without_weights

    if no_weights != (features is not None):
        raise click.UsageError("--no-weights and --features go together.")
    if no_weights and (path or encoder or allow_zero_rows):
        raise click.UsageError("--path, --encoder and --allow-zero-rows are about weights.")
    engine = catalog()
    if features is not None:
        with engine.begin() as connection:
            stored = without_weights.store_names(
                connection, features=features, layer=layer, site=site, **names
            )
    else:
        loaded = load.load_sae(path=path, allow_zero_rows=allow_zero_rows, **names)
        with engine.begin() as connection:
            stored = store.store_sae(connection, loaded.placed(layer, site), encoder=encoder)
    click.echo(stored.summary)


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
        "--bos/--no-bos",
        default=None,
        help="Put BOS before each document, or not.  [default: as the SAEs were trained]",
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
