"""The command line: options, one library call, print.

The only place that parses arguments, shows progress, prints and exits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saeatlas import __version__, cli_query, errors

if TYPE_CHECKING:
    import sqlalchemy as sa

    from saeatlas.ingest.store import StoredSae

Command = Callable[..., Any]


def main() -> None:
    """Run the command line; what a user can cause ends in a sentence, never in a traceback."""
    try:
        cli.main(prog_name="saeatlas", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except errors.AtlasError as error:
        click.secho(f"Error: {error.wrong}", fg="red", err=True)
        for line in filter(None, (error.exists, error.mend)):
            click.echo(line, err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nStopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as `head` does
        sys.exit(0)


def _options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    return lambda command: reduce(lambda f, g: g(f), reversed(decorators), command)


def _catalog() -> sa.Engine:
    from saeatlas.schema.connect import open_catalog

    return open_catalog()


@click.group()
@click.version_option(__version__, prog_name="saeatlas")
def cli() -> None:
    """A PostgreSQL + pgvector catalog of sparse autoencoder features."""


@cli.group()
def ingest() -> None:
    """Bring SAEs and what they say of a corpus into the catalog."""


_allow_zero_rows = click.option(
    "--allow-zero-rows", is_flag=True, help="Accept features whose decoder vector is all zero."
)

_encoder = click.option(
    "--encoder",
    is_flag=True,
    help="Keep the encoder vectors too; adds them to an SAE that is there.",
)


@ingest.command("sae")
@click.option("--release", help="sae-lens release or hub repository; with --path, a name for it.")
@click.option("--sae-id", help="SAE within the release; with --path, a name for it.")
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    help="sae-lens or Gemma Scope folder, or a .npz, .npy or .safetensors file with W_dec.",
)
@click.option("--hook-name", help="Where it listens, if its files do not say.")
@click.option("--model-name", help="Model it was trained on, if its files do not say.")
@_allow_zero_rows
@_encoder
def ingest_sae(encoder: bool, **names: Any) -> None:
    """Ingest one SAE.

    Example: saeatlas ingest sae --release gpt2-small-res-jb --sae-id blocks.8.hook_resid_pre
    """
    from saeatlas.ingest import saes, store

    engine = _catalog()
    loaded = saes.load(**names)
    with engine.begin() as connection:
        _say_stored(store.store_sae(connection, loaded, encoder=encoder))


@ingest.command("layers")
@click.argument("layers")
@click.option("--release", required=True, help="sae-lens release.")
@click.option("--width", help="Number of features as the release writes it: 16k.")
@click.option("--l0", help="41, closest:50 or canonical.")
@click.option("--site", type=click.Choice(["resid", "mlp", "att"]), help="If it has several.")
@_allow_zero_rows
@_encoder
def ingest_layers(allow_zero_rows: bool, encoder: bool, **wanted: Any) -> None:
    """Ingest one SAE for each of LAYERS, as 0-5 or 0,4,8-11.

    Example: saeatlas ingest layers 0-25 --release gemma-scope-2b-pt-res --width 16k --l0 closest:50
    """
    from saeatlas.ingest import registry, saes, store

    layers = registry.parse_layers(wanted.pop("layers"))
    entries = registry.select(wanted.pop("release"), layers, **wanted)
    engine = _catalog()
    for entry in entries:
        loaded = saes.load(entry.release, entry.sae_id, allow_zero_rows=allow_zero_rows)
        with engine.begin() as connection:
            _say_stored(store.store_sae(connection, loaded, encoder=encoder))


def _say_stored(stored: StoredSae) -> None:
    done = "ingested" if stored.created else "already there"
    if stored.encoder_added:
        done += ", encoder added"
    elif not stored.created:
        done += ", unchanged"
    size = f"{stored.d_sae:,} features of {stored.d_in:,} dimensions"
    click.echo(f"SAE {stored.sae}  {stored.release}/{stored.sae_id}  {size}: {done}")


_corpus_options = _options(
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

_listening_options = _options(
    click.option(
        "--documents", type=click.IntRange(min=1), help="Documents to read. Default: all."
    ),
    click.option(
        "--preset",
        type=click.Choice(["default", "paper"]),
        default="default",
        show_default=True,
        help="paper: only activations above 1, and no special token but BOS left out.",
    ),
    click.option("--context", type=click.IntRange(min=2), help="Tokens of a document. [1024]"),
    click.option("--block", type=click.IntRange(min=1), help="Tokens of a block. [256]"),
    click.option("--tail", help="Partial last blocks: drop, keep, or least tokens. [drop]"),
    click.option("--keep-above", type=float, help="Store only maxima above this. [0; paper: 1]"),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16"]),
        help="Precision. [float32]",
    ),
    click.option("--device", help="cpu, cuda, mps. Default: the fastest there is."),
    click.option("--batch-tokens", type=click.IntRange(min=1), help="Tokens at a time. [8192]"),
    click.option("--text", "store_text", is_flag=True, help="Store each block's text too."),
    click.option(
        "--covariance",
        is_flag=True,
        help="Collect mean and covariance of what each SAE hears, from the first document on.",
    ),
    click.option("--force", is_flag=True, help="Go on though the SAE does not fit the model."),
)


@ingest.command("activations")
@click.option("--model", required=True, help="Hub id or folder of a transformers model.")
@click.option("--sae", "saes", multiple=True, required=True, help="Name, number, or a release.")
@_corpus_options
@_listening_options
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
    """Run a model over a corpus and store what each block activates in the SAEs.

    One forward pass serves all SAEs named. Stopped at any moment and run again, it goes on.

    Example: saeatlas ingest activations --model gpt2 --corpus pile.jsonl.zst
    --subset-field meta.pile_set_name --sae gpt2-small-res-jb --documents 1000
    """
    from saeatlas.ingest import activations, corpora
    from saeatlas.ingest.options import Options

    terms = Options.of(preset, **options)
    documents = corpora.open_corpus(
        corpus,
        text_field=text_field,
        subset_field=subset_field,
        split=split,
        config=config,
        on_bad_document=on_bad_document,
    )
    progress = activations.record(
        _catalog(), model=model, corpus=documents, saes=saes, options=terms
    )
    _follow(progress, total=terms.documents)


def _tokens_a_second(last: Any) -> str:
    return f"{last.tokens_per_second:,.0f} tokens/s" if last.tokens_per_second else ""


def _blocks_a_second(last: Any) -> str:
    return f"{last.blocks_per_second:,.0f} blocks/s" if last.blocks_per_second else ""


def _follow(
    progress: Any,
    total: int | None,
    *,
    doing: str = "listening",
    rate: Callable[[Any], str] = _tokens_a_second,
) -> None:
    """Show a bar with documents, how many a second and the time left; then the result."""
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("documents  {task.fields[rate]}"),
        bars.TimeRemainingColumn(),
    )
    try:
        with bars.Progress(*columns) as bar:
            task = bar.add_task(doing, total=total, rate="")
            for last in progress:
                bar.update(task, completed=last.documents, total=last.total, rate=rate(last))
            bar.update(task, total=last.documents)
    except KeyboardInterrupt:
        click.echo("The same command goes on where this one stopped.", err=True)
        raise
    click.echo(last.summary)


@ingest.command("table")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--sae", required=True, help="SAE that the features belong to.")
@click.option(
    "--keep-above", type=float, default=0.0, show_default=True, help="Store only maxima above this."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS",
    help="Name of a column in the file, as feature=latent.",
)
@click.option(
    "--corpus", type=int, help="Number of the corpus whose documents and blocks these are."
)
def ingest_table(path: Path, columns: tuple[str, ...], **terms: Any) -> None:
    """Ingest activations computed elsewhere: Parquet, CSV, or Delphi's latent cache.

    Example: saeatlas ingest table latents/model.layers.12 --sae gemma-scope/layer_12
    """
    from saeatlas.ingest import tables

    renamed = dict(_pair(column) for column in columns)
    result = tables.ingest_table(_catalog(), path, columns=renamed, **terms)
    click.echo(result.summary)


_simulation_options = _options(
    click.option("--features", type=int, help="Features, dead ones included. [1024]"),
    click.option("--d-model", type=int, help="Width of a decoder vector. [128]"),
    click.option("--lobes", type=int, help="Lobes planted, of equal size. [3]"),
    click.option("--active", type=float, help="Mean active features a block. [6.7% of them]"),
    click.option("--blocks-per-document", type=int, help="Blocks of each document. [3]"),
    click.option("--subsets", type=int, help="Document types, each preferring a lobe. [3 a lobe]"),
    click.option(
        "--preference",
        type=float,
        help="How much a document's lobe decides. 0: features are independent. [0.5]",
    ),
    click.option(
        "--geometry",
        type=float,
        help="How much decoder vectors follow lobes. 0: not at all, 1: strongly. [0.2]",
    ),
    click.option("--density-exponent", type=float, help="Densities fall as rank^-this. [1]"),
    click.option(
        "--spectrum-exponent",
        type=float,
        help="Eigenvalues fall as rank^-this. 0: isotropic. [0.4]",
    ),
    click.option("--parallelograms", type=int, help="Parallelograms planted. [20]"),
    click.option("--trapezoids", type=int, help="Trapezoids planted. [10]"),
    click.option("--function-vectors", type=int, help="Directions that crystals share. [5]"),
    click.option("--distractors", type=int, help="Directions that shift crystals' points. [0]"),
    click.option("--dead", type=float, help="Share of features never active. [0.02]"),
    click.option("--seed", type=int, help="Another seed, another world. [0]"),
)


@ingest.command("simulated")
@click.option(
    "--blocks", type=click.IntRange(min=1), default=5_000, show_default=True,
    help="Blocks wanted, in whole documents.",
)  # fmt: skip
@_simulation_options
@click.option("--release", default="simulated", show_default=True, help="Release to name it.")
@click.option("--sae-id", help="Name within the release. [1024x128-seed0]")
@click.option("--layer", type=click.IntRange(min=0), help="Layer that it is said to listen to.")
def ingest_simulated(
    blocks: int, release: str, sae_id: str | None, layer: int | None, **given: Any
) -> None:
    """Make up an SAE, its features and what blocks activate: a catalog with a known answer.

    What was planted stands in planted_feature and planted_crystal. More --blocks add to it.

    Example: saeatlas ingest simulated --features 16384 --d-model 2304 --blocks 150000 --lobes 3
    """
    from saeatlas.ingest import simulated
    from saeatlas.ingest.simulation import Terms

    terms = Terms(**{name: value for name, value in given.items() if value is not None})
    progress = simulated.simulate(
        _catalog(), terms, blocks=blocks, release=release, sae_id=sae_id, layer=layer
    )
    _follow(progress, None, doing="simulating", rate=_blocks_a_second)


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not OURS=THEIRS, as feature=latent.")
    return ours, theirs


@ingest.command("cooccurrence")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--sae", required=True, help="SAE that the features belong to.")
def ingest_cooccurrence(path: Path, sae: str) -> None:
    """Ingest counts of co-occurrence made elsewhere: the published code's .npz files.

    Example: saeatlas ingest cooccurrence histogram.npz --sae gemma-scope/layer_12
    """
    from saeatlas.ingest import histogram

    run, created = histogram.ingest_cooccurrence(_catalog(), path, sae=sae)
    click.echo(f"Run {run}: {'ingested' if created else 'already there, unchanged'}")


@ingest.command("words")
@click.argument("pairs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", help="Hub id or folder of a transformers model that reads the words.")
@click.option("--layers", help="Its layers, as 0,12 or 0-25.")
@click.option("--site", type=click.Choice(["resid_post", "resid_pre"]), default="resid_post",
              show_default=True, help="The residual stream after a layer, or before.")  # fmt: skip
@click.option("--vectors", type=click.Path(path_type=Path),
              help="Ready vectors instead: word2vec, GloVe or .npz.")  # fmt: skip
@click.option("--name", help="Name of the vectors.  [default: the model's or the file's]")
@click.option("--frequencies", "frequency_file", type=click.Path(path_type=Path),
              help="CSV or TSV with words and their counts.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32",
              show_default=True, help="Precision of the model.")  # fmt: skip
@click.option("--device", help="cpu, cuda, mps. Default: the fastest there is.")
def ingest_words(
    pairs: tuple[Path, ...], model: str | None, layers: str | None, vectors: Path | None,
    name: str | None, frequency_file: Path | None, **reading: Any,
) -> None:  # fmt: skip
    """Ingest word pairs, one relation a file, and the vectors of their words.

    PAIRS are JSON lists of {"input": ..., "output": ...}. Without any, the words of all relations
    of the catalog are read.

    Example: saeatlas ingest words country-capital.json --model google/gemma-2-2b --layers 0,12
    """
    from saeatlas.ingest import registry, word_reader, words

    if bool(model) == bool(vectors) or bool(model) != bool(layers):
        raise click.UsageError("Give --model and --layers, or --vectors.")
    given: Any = {"name": name, "frequency_file": frequency_file}
    if vectors:
        click.echo(words.take(_catalog(), pairs, vectors, **given))
    else:
        terms = word_reader.Terms(str(model), registry.parse_layers(str(layers)), **reading)
        _follow_stages(words.listen(_catalog(), pairs, terms, **given))


@ingest.command("tokens")
@click.option("--model", required=True, help="Hub id or folder of the model it was trained on.")
@click.option("--sae", required=True, help="SAE, by name or number.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True,
              help="Tokens of each feature.")  # fmt: skip
@click.option("--device", help="cpu, cuda, mps. Default: the fastest there is.")
def ingest_tokens(sae: str, **terms: Any) -> None:
    """Find the tokens that each feature promotes most, through the model's unembedding.

    Example: saeatlas ingest tokens --model gpt2 --sae gpt2-small-res-jb/blocks.8.hook_resid_pre
    """
    from saeatlas.ingest import feature_tokens

    engine = _catalog()
    _follow_stages(feature_tokens.find(engine, _one_sae(engine, sae), **terms))


@ingest.command("labels")
@click.option("--sae", help="SAE that the labels are of; Neuronpedia's say so themselves.")
@click.option(
    "--neuronpedia",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder or file of Neuronpedia's explanations; repeatable.",
)
@click.option(
    "--neuronpedia-id",
    metavar="MODEL/SOURCE",
    help="Take the labels of this source for the SAE's, which names no page itself.",
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
    """Bring in what features are said to be about. What is said anew replaces what was.

    Example: saeatlas ingest labels --neuronpedia v1/gemma-2-2b/12-gemmascope-res-16k
    """
    from saeatlas.ingest import labels

    click.echo(labels.ingest_labels(_catalog(), labels.open_source(**files), sae=sae).summary)


@cli.group()
def analyze() -> None:
    """Count and map what the catalog holds; results are tables with a run."""


@analyze.command("cooccurrence")
@click.option("--recording", type=int, required=True, help="Number of the recording.")
@click.option(
    "--threshold",
    default="1.0",
    show_default=True,
    help="A feature is active above this; theta+1.5 adds its own JumpReLU threshold.",
)
@click.option("--subset", "subsets", multiple=True, help="Count only documents of this type.")
@click.option("--documents-where", help="Count only documents that meet this SQL condition.")
@click.option(
    "--half",
    type=click.Choice(["first", "second"]),
    help="Count one half of the documents, drawn by a hash: judge on the other.",
)
@click.option(
    "--min-blocks",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Leave out features active in fewer blocks.",
)
@click.option(
    "--engine",
    "method",
    type=click.Choice(["sql", "torch"]),
    default="sql",
    show_default=True,
    help="Count in the database, or by torch on a GPU.",
)
def analyze_cooccurrence(recording: int, threshold: str, **options: Any) -> None:
    """Count in how many blocks each two features of a recording are active together.

    Example: saeatlas analyze cooccurrence --recording 1 --subset Github --subset ArXiv
    """
    from saeatlas.analyses import cooccurrence
    from saeatlas.analyses.threshold import Threshold

    progress = cooccurrence.count(
        _catalog(), recording, threshold=Threshold.parse(threshold), **options
    )
    _follow_stages(progress)


def _numbers(_context: Any, _parameter: Any, text: str | None) -> list[int]:
    """Read numbers with commas between."""
    try:
        numbers = [int(part) for part in text.split(",")] if text else []
    except ValueError:
        numbers = [0]
    if any(number < 1 for number in numbers):
        raise click.BadParameter("give whole numbers above 0 with commas between, as 2,3,4")
    return numbers


_ks = click.option(
    "--k", "ks", callback=_numbers, metavar="K,K,...",
    help="Numbers of lobes.  [default: 2,3,4,8,16,...,1024]",
)  # fmt: skip
_seed = click.option(
    "--seed", type=int, default=0, show_default=True, help="Another seed, other random numbers."
)
_affinities = click.option(
    "--affinity", "affinities", multiple=True,
    callback=lambda _context, _parameter, names: [name.replace("-", "_") for name in names],
    type=click.Choice(["phi", "jaccard", "dice", "overlap", "simple-matching"]),
    help="How much features go together; repeatable.  [default: all]",
)  # fmt: skip


def _one_sae(engine: Any, name: str) -> int:
    from saeatlas.schema import saes

    with engine.connect() as connection:
        return int(saes.find_one(connection, name).id)


def _layers(_context: Any, _parameter: Any, text: str | None) -> range | None:
    """Read layers, as 12 or 0-25."""
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise click.BadParameter("give one layer, as 12, or the first and the last, as 0-25")
    return range(int(first), int(last or first) + 1)


def _chosen_saes(
    engine: Any, saes: Sequence[str], release: str | None, layers: range | None
) -> list[int]:
    """Find SAEs by name, release and layer, in the order of layers."""
    from saeatlas.schema.saes import find as find_saes

    if bool(saes) == bool(release):
        raise click.UsageError("Give --sae, or --release.")
    with engine.connect() as connection:
        rows = find_saes(connection, list(saes) or [str(release)])
    chosen = [row for row in rows if layers is None or row.layer in layers]
    if not chosen:
        raise errors.UnknownName(
            "None of these SAEs is of the layers asked for.",
            exists=f"They are of layers {', '.join(sorted({str(row.layer) for row in rows}))}.",
            mend="Choose other --layers.",
        )
    chosen.sort(key=lambda row: (row.layer is None, row.layer, row.id))
    return [int(row.id) for row in chosen]


@analyze.command("lobes")
@click.option("--cooccurrence", "counts", type=int, required=True, help="Run that counted.")
@_affinities
@_ks
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: as published, dead features and all.")  # fmt: skip
@click.option("--min-blocks", type=click.IntRange(min=1), default=1, show_default=True,
              help="Features active in fewer blocks get no lobe.")  # fmt: skip
@click.option("--assign", type=click.Choice(["kmeans", "cluster_qr"]), default="kmeans",
              show_default=True, help="How points of the embedding become lobes.")  # fmt: skip
@click.option("--matrix-free", is_flag=True,
              help="Never make the matrix of all pairs: phi and simple matching of many features, "
              "from the bits of the blocks.")  # fmt: skip
@click.option("--halves", is_flag=True,
              help="See how far lobes from either half of the documents agree.")  # fmt: skip
@click.option("--seed", type=int, help="[default: 0; for the preset paper 42]")
def analyze_lobes(
    counts: int, affinities: Sequence[str], ks: list[int], halves: bool, seed: int | None,
    **options: Any,
) -> None:  # fmt: skip
    """Find lobes: features that go together, by spectral clustering.

    Example: saeatlas analyze lobes --cooccurrence 1 --affinity phi --k 2,3,8
    """
    from saeatlas.analyses import bilinear, lobes

    options["seed"] = seed if seed is not None else lobes.DEFAULT_SEEDS[options["preset"]]
    if affinities or options["matrix_free"]:
        options["affinities"] = affinities or bilinear.MEASURES
    if ks:
        options["ks"] = ks
    _follow_stages(lobes.find(_catalog(), counts, lobes.Terms(**options), halves=halves))


@analyze.command("geometry")
@click.option("--sae", required=True, help="SAE, by name or number.")
@_ks
@click.option("--cooccurrence", type=int, help="Only features counted in this run.")
@_seed
def analyze_geometry(sae: str, ks: list[int], **options: Any) -> None:
    """Cluster features by the angles of their decoder vectors.

    Example: saeatlas analyze geometry --sae 1 --cooccurrence 1 --k 2,3,8
    """
    from saeatlas.analyses import geometry

    engine = _catalog()
    _follow_stages(geometry.find(engine, _one_sae(engine, sae), ks=ks or geometry.KS, **options))


@analyze.command("subsets")
@click.option("--lobes", "lobes_run", type=int, required=True, help="Run of lobes.")
@_affinities
@click.option("--k", "ks", callback=_numbers, metavar="K,K,...",
              help="Numbers of lobes.  [default: those up to 8]")  # fmt: skip
@click.option("--documents", type=click.Choice(["held-out", "all"]), default="held-out",
              show_default=True, help="Judge documents that built no lobe, or all.")  # fmt: skip
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: the largest share wins.")  # fmt: skip
@_seed
def analyze_subsets(lobes_run: int, **options: Any) -> None:
    """Find which lobe wins each block, and which document types a lobe prefers.

    Example: saeatlas analyze subsets --lobes 2
    """
    from saeatlas.analyses import subsets

    _follow_stages(subsets.judge(_catalog(), lobes_run, **options))


@analyze.command("spatiality")
@click.option("--lobes", "lobes_run", type=int, required=True, help="Run of lobes.")
@click.option("--geometry", "geometry_run", type=int, required=True, help="Run of geometry.")
@_affinities
@_ks
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: 100 trials, no correction.")  # fmt: skip
@click.option("--trials", type=click.IntRange(min=2), default=1000, show_default=True,
              help="Permutations of each kind.")  # fmt: skip
@click.option("--vector-trials", type=click.IntRange(min=0), default=19, show_default=True,
              help="Clouds of vectors of each kind, each clustered anew.")  # fmt: skip
@click.option("--classify-up-to", type=click.IntRange(min=0), default=8, show_default=True,
              help="Largest k whose lobes are classified.")  # fmt: skip
@click.option("--stratum", type=click.IntRange(min=2), default=32, show_default=True,
              help="Features of like frequency that are shuffled among each other.")  # fmt: skip
@_seed
def analyze_spatiality(lobes_run: int, geometry_run: int, **options: Any) -> None:
    """Test whether lobes are spatial: related to the geometry of decoder vectors.

    Example: saeatlas analyze spatiality --lobes 2 --geometry 3
    """
    from saeatlas.analyses import spatiality

    _follow_stages(spatiality.test(_catalog(), lobes_run, geometry_run, **options))


@analyze.command("spectra")
@click.option("--sae", "saes", multiple=True, help="SAE by number or name; repeatable.")
@click.option("--release", help="All SAEs of a release.")
@click.option(
    "--layers", callback=_layers, metavar="FIRST-LAST", help="Only these layers, as 0-25."
)
@click.option("--of", "source", type=click.Choice(["decoder", "encoder", "activations"]),
              default="decoder", show_default=True,
              help="Vectors of features, or what the SAE hears.")  # fmt: skip
@click.option("--recording", type=int, help="Whose activations.  [default: the newest]")
@click.option("--within", type=int, help="Run of lobes or geometry: a spectrum a lobe.")
@_affinities
@click.option("--k", "ks", callback=_numbers, metavar="K,K,...",
              help="Only lobes of these k.  [default: all]")  # fmt: skip
@click.option("--features", "features_where", metavar="SQL",
              help="Only features that meet this condition.")  # fmt: skip
@click.option("--components", callback=_numbers, default="10,50,100,200",
              show_default=True, metavar="D,D,...",
              help="Principal components for clustering entropy.")  # fmt: skip
@click.option("--trials", type=click.IntRange(min=2), default=19, show_default=True,
              help="Clouds drawn for each null.")  # fmt: skip
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: as published, without nulls.")  # fmt: skip
@_seed
def analyze_spectra(
    saes: Sequence[str], release: str | None, layers: range | None, **options: Any
) -> None:
    """Measure how vectors spread over directions, and whether they cluster.

    Example: saeatlas analyze spectra --release gemma-scope --layers 0-25
    """
    from saeatlas.analyses import spectra, spectra_inputs

    terms = spectra_inputs.Terms(**options)
    engine = _catalog()
    for number in _chosen_saes(engine, saes, release, layers):
        _follow_stages(spectra.find(engine, number, terms))


@analyze.command("maps")
@click.option("--sae", "saes", multiple=True, help="SAE by number or name; repeatable.")
@click.option("--release", help="All SAEs of a release.")
@click.option(
    "--layers", callback=_layers, metavar="FIRST-LAST", help="Only these layers, as 0-25."
)
@click.option("--method", type=click.Choice(["tsne", "pca"]), default="tsne",
              show_default=True, help="t-SNE, or principal components.")  # fmt: skip
@click.option("--of", "source", type=click.Choice(["decoder", "encoder"]), default="decoder",
              show_default=True, help="Vectors whose directions are mapped.")  # fmt: skip
@click.option("--features", "features_where", metavar="SQL",
              help="Only features that meet this condition.")  # fmt: skip
@click.option("--dimensions", type=click.IntRange(2, 3), default=2, show_default=True,
              help="A map in the plane, or in space.")  # fmt: skip
@click.option("--perplexity", type=click.FloatRange(min=1), default=30.0, show_default=True,
              help="Of tsne: about how many near features count.")  # fmt: skip
@_seed
def analyze_maps(
    saes: Sequence[str], release: str | None, layers: range | None, **options: Any
) -> None:
    """Map features by the directions of their vectors, near ones near each other.

    Example: saeatlas analyze maps --release gemma-scope --layers 12
    """
    from saeatlas.analyses import maps

    terms = maps.Terms(**options)
    engine = _catalog()
    for number in _chosen_saes(engine, saes, release, layers):
        _follow_stages(maps.find(engine, number, terms))


@analyze.command("crystals")
@click.option("--sae", help="SAE whose features are searched, by name or number.")
@click.option("--words", help="Space of words, by name or number: its relations are measured; with "
              "--sae and --relations given, searched for among features.")  # fmt: skip
@click.option("--relations", type=click.Choice(["found", "given"]), default="found",
              show_default=True,
              help="Function vectors found among features, or those of words.")  # fmt: skip
@click.option("--relation", "names", multiple=True,
              help="Of words: only this relation; repeatable.  [default: all]")  # fmt: skip
@click.option("--features", "features_where", metavar="SQL",
              help="Only features that meet this condition.")  # fmt: skip
@click.option("--neighbours", type=click.IntRange(min=1), default=16, show_default=True,
              help="Nearest neighbours that a feature is paired with.")  # fmt: skip
@click.option("--least", type=float, default=0.6, show_default=True,
              help="Least cosine of sides, and of legs.")  # fmt: skip
@click.option("--rate", type=float, default=0.05, show_default=True,
              help="Largest false discovery rate.")  # fmt: skip
@click.option("--recording", type=int,
              help="For densities and positions.  [default: the newest]")  # fmt: skip
@click.option("--attribute", "attributes", multiple=True,
              help="Measured attribute to project out: log_density, position or top_token_length; "
              "repeatable.  [default: all]")  # fmt: skip
@click.option("--keep-distractors", is_flag=True,
              help="Compare vectors as they are: whiten and project out nothing.")  # fmt: skip
@click.option("--trials", type=click.IntRange(min=2), default=199, show_default=True,
              help="Of words: times that partners, and relations, are shuffled.")  # fmt: skip
@_seed
def analyze_crystals(
    sae: str | None, words: str | None, relations: str, names: Sequence[str], trials: int,
    seed: int, attributes: Sequence[str], **options: Any,
) -> None:  # fmt: skip
    """Find parallelograms and trapezoids of features, and the function vectors they follow.

    Of words: how far the pairs of known relations follow one vector each.

    Example: saeatlas analyze crystals --sae 1
    """
    from saeatlas.analyses import crystal_terms, crystals, word_relations

    if (sae is not None) != (words is None or relations == "given"):
        raise click.UsageError("Give --sae; --words; or both with --relations given.")
    if relations == "given" and words is None:
        raise click.UsageError("--relations given are those of --words SPACE.")
    engine = _catalog()
    if sae is None:
        assert words is not None
        progress = word_relations.measure(engine, words, names=names, trials=trials, seed=seed)
    else:
        if attributes:
            options["attributes"] = attributes
        terms = crystal_terms.Terms(words=words, seed=seed, **options)
        progress = crystals.find(engine, _one_sae(engine, sae), terms)
    _follow_stages(progress)


def _follow_stages(progress: Any) -> None:
    """Show a bar for each stage of an analysis, with the time left; then the run."""
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with closing(progress), bars.Progress(*columns) as bar:
        tasks: dict[str, Any] = {}
        for last in progress:
            if last.stage not in tasks and last.stage != "done":
                tasks[last.stage] = bar.add_task(last.stage, total=last.total)
            if last.stage in tasks:
                bar.update(tasks[last.stage], completed=last.done, total=last.total)
    click.echo(last.summary)


@cli.group()
def export() -> None:
    """Write results as files that other programs read."""


@export.command("cooccurrence")
@click.argument("run", type=int)
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def export_cooccurrence(run: int, path: Path) -> None:
    """Write a run's counts as the published code does: histogram and n_chunks in a .npz file.

    Example: saeatlas export cooccurrence 1 counts.npz
    """
    from saeatlas.catalog import export

    export.export_cooccurrence(_catalog(), run, path)
    click.echo(f"Wrote {path}")


@export.command("features")
@click.argument("sae")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--cooccurrence", type=int,
              help="Count for densities and pairs.  [default: over most blocks]")  # fmt: skip
@click.option("--affinity", default="phi", show_default=True,
              help="Of an .h5ad: measure of pairs.")  # fmt: skip
@click.option("--above", type=float, default=0.1, show_default=True,
              help="Of an .h5ad: pairs with a lower affinity are left out.")  # fmt: skip
def export_features(sae: str, path: Path, **terms: Any) -> None:
    """Write the features of SAE, by name or number, with density, label and lobes.

    The end of the file's name says as what: .csv, .parquet, or .h5ad for AnnData (scanpy), which
    has the decoder vectors and what goes with what too.

    Example: saeatlas export features 4 layer_3.h5ad
    """
    from saeatlas.catalog import annotated, export

    engine = _catalog()
    export.export_features(engine, _one_sae(engine, sae), path, annotated.Terms(**terms))
    click.echo(f"Wrote {path}")


@cli.command()
def status() -> None:
    """Show what is in the catalog."""
    from saeatlas.catalog import answers
    from saeatlas.catalog.status import read_status

    found = read_status(_catalog())
    click.echo(f"{found.database}\n{found.server}, {found.size / 2**20:,.1f} MiB")
    for name, rows in (
        ("SAEs", found.saes), ("Corpora", found.corpora), ("Recordings", found.recordings),
        ("Runs", found.runs),
    ):  # fmt: skip
        click.secho(f"\n{name}", bold=True)
        click.echo(answers.render(rows, "table") if len(rows) else "none yet")


cli_query.add_to(cli)


@cli.group()
def remove() -> None:
    """Take something out of the catalog, with all that hangs on it."""


@remove.command("sae")
@click.argument("name")
def remove_sae(name: str) -> None:
    """Remove an SAE by name or number, its features and its recordings."""
    from saeatlas.schema.remove import remove_sae as remove_one
    from saeatlas.schema.saes import find as find_saes

    with _catalog().begin() as connection:
        for row in find_saes(connection, [name]):
            remove_one(connection, row.id)
            click.echo(f"Removed SAE {row.id}  {row.release}/{row.sae_id}")


@remove.command("recording")
@click.argument("number", type=int)
def remove_recording(number: int) -> None:
    """Remove a recording; its corpus stays for other SAEs."""
    from saeatlas.schema.remove import remove_recording as remove_one

    with _catalog().begin() as connection:
        remove_one(connection, number)
    click.echo(f"Removed recording {number}")


@remove.command("words")
@click.argument("name")
def remove_words(name: str) -> None:
    """Remove word vectors, by their space's name or number; their pairs stay."""
    from saeatlas.schema.remove import remove_words as remove_one

    with _catalog().begin() as connection:
        row = remove_one(connection, name)
    click.echo(f"Removed words {row.id}  {row.name}")


@remove.command("relation")
@click.argument("name")
def remove_relation(name: str) -> None:
    """Remove a relation and its word pairs; the words' vectors stay."""
    from saeatlas.schema.remove import remove_relation as remove_one

    with _catalog().begin() as connection:
        row = remove_one(connection, name)
    click.echo(f"Removed relation {row.id}  {row.name}")


@remove.command("run")
@click.argument("number", type=int)
def remove_run(number: int) -> None:
    """Remove an analysis with all its rows."""
    from saeatlas.schema.remove import remove_run as remove_one

    with _catalog().begin() as connection:
        remove_one(connection, number)
    click.echo(f"Removed run {number}")


@remove.command("labels")
@click.option("--sae", required=True, help="SAE by number or name; a release for all of its.")
@click.option("--source", help="Only those of this source, as neuronpedia.  [default: all]")
def remove_labels(sae: str, source: str | None) -> None:
    """Remove an SAE's labels."""
    from saeatlas.schema.remove import remove_labels as remove_some
    from saeatlas.schema.saes import find as find_saes

    with _catalog().begin() as connection:
        numbers = [row.id for row in find_saes(connection, [sae])]
        click.echo(f"Removed {remove_some(connection, numbers, source):,} labels")


@remove.command("corpus")
@click.argument("number", type=int)
def remove_corpus(number: int) -> None:
    """Remove a corpus and all its recordings."""
    from saeatlas.schema.remove import remove_corpus as remove_one

    with _catalog().begin() as connection:
        remove_one(connection, number)
    click.echo(f"Removed corpus {number}")


@cli.group()
def db() -> None:
    """Start, stop and upgrade the database."""


@db.command()
def start() -> None:
    """Start the embedded server and keep it running."""
    from saeatlas.schema import server

    state = server.start()
    click.echo(f"Running, process {state.pid}, data in {state.data_dir}")


@db.command()
def stop() -> None:
    """Stop the embedded server."""
    from saeatlas.schema import server

    state = server.stop()
    click.echo(f"Stopped. Its data stay in {state.data_dir}")


@db.command()
@click.option("--sae", "saes", multiple=True, help="SAE by number or name; repeatable.")
@click.option("--release", help="All SAEs of a release.")
@click.option(
    "--layers", callback=_layers, metavar="FIRST-LAST", help="Only these layers, as 0-25."
)
@click.option("--drop", is_flag=True, help="Drop the indices instead.")
def index(saes: Sequence[str], release: str | None, layers: range | None, drop: bool) -> None:
    """Index decoder vectors, so that nearest features are found in milliseconds.

    Example: saeatlas db index --release gemma-scope-2b-pt-res --layers 0-25
    """
    from saeatlas.schema import nearest

    engine = _catalog()
    for number in _chosen_saes(engine, saes, release, layers):
        with engine.begin() as connection:
            done = nearest.drop(connection, number) if drop else nearest.create(connection, number)
        said = ("dropped" if done else "none") if drop else ("made" if done else "already there")
        click.echo(f"SAE {number}  index of decoder vectors: {said}")


@db.command()
def url() -> None:
    """Print the catalog's URL, for psql and other programs."""
    click.echo(_catalog().url.set(drivername="postgresql").render_as_string(hide_password=False))


@db.command()
def upgrade() -> None:
    """Bring the catalog's tables, views and functions up to date."""
    from saeatlas.schema import connect
    from saeatlas.schema import upgrade as schema_upgrade

    engine = connect.open_catalog(migrate=True)
    with engine.begin() as connection:
        schema_upgrade.apply(connection)
        click.echo(f"The catalog is at version {schema_upgrade.revision(connection)}.")


@cli.command()
@click.option("--documents", type=click.IntRange(min=1), default=40, show_default=True,
              help="Documents of each type.")  # fmt: skip
def demo(documents: int) -> None:
    """Fill the catalog with a small real model's SAEs and ask it questions."""
    from saeatlas.catalog import answers, sql
    from saeatlas.demo import tour

    engine = _catalog()
    click.echo(tour.WELCOME)
    for stored in tour.ingest_saes(engine):
        _say_stored(stored)
    _follow(tour.listen(engine, documents), total=None)
    for steps in tour.analyze(engine):
        _follow_stages(steps)
    for question in tour.questions():
        click.secho(f"\n{question.title}", bold=True)
        click.secho(question.sql, dim=True)
        click.echo(answers.render(sql.answer_sql(engine, question.sql), "table"))
    click.echo(tour.NEXT)
