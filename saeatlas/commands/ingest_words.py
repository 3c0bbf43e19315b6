"""`saeatlas ingest words`, `tokens` and `labels`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from saeatlas.commands.console import bars, catalog, one_sae
from saeatlas.commands.ingest import ingest
from saeatlas.commands.options import layers as read_layers


@ingest.command("words")
@click.argument("pairs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", help="Hub id or folder of a transformers model to run on the words.")
@click.option("--layers", callback=read_layers, metavar="LAYERS",
              help="Its layers: 12, 0-25 or 0,4-6.")  # fmt: skip
@click.option("--site", type=click.Choice(["resid_post", "resid_pre"]), default="resid_post",
              show_default=True, help="The residual stream after a layer, or before.")  # fmt: skip
@click.option("--vectors", type=click.Path(path_type=Path),
              help="Ready vectors instead: word2vec, GloVe or .npz.")  # fmt: skip
@click.option("--name", help="Name of the vectors.  [default: the model's or the file's]")
@click.option("--frequencies", "frequency_file", type=click.Path(path_type=Path),
              help="CSV or TSV with words and their counts.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32",
              show_default=True, help="Precision of the model.")  # fmt: skip
@click.option("--device", help="cpu, cuda, mps.  [default: the fastest available]")
def ingest_words(
    pairs: tuple[Path, ...], model: str | None, layers: tuple[int, ...] | None,
    vectors: Path | None, name: str | None, frequency_file: Path | None, **reading: Any,
) -> None:  # fmt: skip
    """Ingest word pairs, one relation per file, and the vectors of their words.

    PAIRS are JSON lists of {"input": ..., "output": ...}. Without any, the words of all relations
    of the catalog are ingested.

    Example: saeatlas ingest words country-capital.json --model google/gemma-2-2b --layers 0,12
    """
    from saeatlas.ingest.words import model_vectors, words

    if bool(model) == bool(vectors) or bool(model) != bool(layers):
        raise click.UsageError("Give --model and --layers, or --vectors.")
    given: Any = {"name": name, "frequency_file": frequency_file}
    engine = catalog()
    if vectors:
        done = words.ingest_file_words(engine, pairs, vectors, **given)
    else:
        params = model_vectors.Params(str(model), layers or (), **reading)
        with bars() as report:
            done = words.ingest_model_words(engine, pairs, params, report=report, **given)
    click.echo(done.summary)


@ingest.command("tokens")
@click.option("--model", required=True, help="Hub id or folder of the model it was trained on.")
@click.option("--sae", required=True, help="SAE, by name or number.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True,
              help="Tokens of each feature.")  # fmt: skip
@click.option("--device", help="cpu, cuda, mps.  [default: the fastest available]")
def ingest_tokens(sae: str, **options: Any) -> None:
    """Find the tokens that each feature promotes most, through the model's unembedding.

    Example: saeatlas ingest tokens --model gpt2 --sae gpt2-small-res-jb/blocks.8.hook_resid_pre
    """
    from saeatlas.ingest.words import promoted_tokens

    engine = catalog()
    number = one_sae(engine, sae)
    with bars() as report:
        done = promoted_tokens.find_tokens(engine, number, report=report, **options)
    click.echo(done.summary)


@ingest.command("labels")
@click.option(
    "--sae",
    help="SAE that the labels belong to; not needed for Neuronpedia, whose files name it.",
)
@click.option(
    "--neuronpedia",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder or file of Neuronpedia's explanations; repeatable.",
)
@click.option(
    "--neuronpedia-id",
    metavar="MODEL/SOURCE",
    help="Source on Neuronpedia whose labels belong to --sae, if the SAE itself names none.",
)
@click.option(
    "--delphi", type=click.Path(path_type=Path), help="Folder of a run of Delphi: explanations."
)
@click.option("--hookpoint", help="Which of Delphi's hookpoints, if the folder has several.")
@click.option(
    "--csv",
    type=click.Path(path_type=Path),
    help="CSV with feature, text[, source, score, method, url].",
)
def ingest_labels(sae: str | None, **files: Any) -> None:
    """Ingest labels of features. New labels replace those of the same source and method.

    Example: saeatlas ingest labels --neuronpedia v1/gemma-2-2b/12-gemmascope-res-16k
    """
    from saeatlas.ingest import labels

    source = labels.open_labels(**files)
    engine = catalog()
    with bars() as report:
        done = labels.ingest_labels(engine, source, sae=sae, report=report)
    click.echo(done.summary)
