"""The demo: a small real model, its SAEs, and the texts that came with the user's Python."""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, Protocol

import sqlalchemy as sa

from saeatlas import settings
from saeatlas.analyses.counting import cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.crystals import crystals
from saeatlas.analyses.crystals.params import Params as CrystalParams
from saeatlas.analyses.lobes import geometry, lobes
from saeatlas.analyses.lobes.params import Params as LobeParams
from saeatlas.analyses.maps import maps
from saeatlas.analyses.relations import relations
from saeatlas.analyses.run_driver import perform
from saeatlas.analyses.spatiality import spatiality
from saeatlas.analyses.spatiality.params import Params as SpatialityParams
from saeatlas.analyses.spectra import spectra
from saeatlas.analyses.spectra.params import Params as SpectraParams
from saeatlas.analyses.subsets import subsets
from saeatlas.analyses.subsets.inputs import Params as SubsetsParams
from saeatlas.demo import texts
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.outcome import RecordOutcome
from saeatlas.ingest.activations.record import record
from saeatlas.ingest.corpora import open_corpus
from saeatlas.ingest.saes.load import load_sae
from saeatlas.ingest.saes.store import StoredSae, store_sae
from saeatlas.ingest.words import model_vectors, promoted_tokens, words
from saeatlas.ingest.words.promoted_tokens import TokensOutcome
from saeatlas.progress import Done, Report, silent
from saeatlas.schema import tables

RELEASE = "saeatlas-demo"
_HERE = Path(str(files("saeatlas.demo")))
MODEL = _HERE / "model"

LOBES = (2, 3, 4, 8)
"""Numbers of lobes that the demo looks for."""

WORD_LAYERS = (0, 3)
"""Layers whose words are compared."""

COMPONENTS = (10, 100)
"""Principal components for clustering entropy."""

WELCOME = """\
A language model of six layers and an SAE on each of them, trained for this demo, read the texts
that came with your Python: its source, headers, licences, data files and more.
"""

NEXT = """
Ask it yourself:
  saeatlas status
  saeatlas query "features near 3:10 limit 5"
  saeatlas query 'features where lobe = 2 of phi k 3 and fires in "Arithmetic" > 0.5'
  saeatlas sql "select * from neighbours(4, 10, 5)"
  saeatlas sql "select * from blocks limit 3" --format json
  saeatlas sql "select * from partners(1, 688, 'lift', 5)"
  saeatlas sql "select * from lobes where k = 8"
Bring in your own:
  saeatlas ingest layers 0-11 --release gpt2-small-res-jb
  saeatlas ingest activations --model gpt2 --sae gpt2-small-res-jb --corpus YOUR.jsonl.gz
"""


class RunJob(Protocol):
    """What runs a job, shows its progress and its result, and returns the result."""

    def __call__(self, job: Callable[[Report], Done]) -> Done:
        """Call the job with what it reports to."""


class Question(NamedTuple):
    """A question and the SQL that answers it."""

    title: str
    sql: str


def ingest_saes(engine: sa.Engine) -> Iterator[StoredSae]:
    """Ingest the demo's SAEs, one a layer.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Yields
    ------
    StoredSae
    """
    for folder in sorted((_HERE / "saes").glob("layer_*")):
        loaded = load_sae(RELEASE, folder.name, folder)
        with engine.begin() as connection:
            stored = store_sae(connection, loaded)
        yield stored


def record_documents(engine: sa.Engine, documents: int, report: Report = silent) -> RecordOutcome:
    """Record the activations of the demo's SAEs on the documents of this machine.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    documents : int
        Documents of each type, at most.
    report : callable, optional

    Returns
    -------
    RecordOutcome
    """
    folder = settings.load().data_dir.expanduser() / "demo"
    path = write_documents(folder / f"machine-{documents}.jsonl", documents)
    corpus = open_corpus(str(path), subset_field="meta.pile_set_name")
    options = Options.of(store_text=True)
    return record(
        engine, model=str(MODEL), corpus=corpus, saes=[RELEASE], options=options, report=report
    )


def analyze(engine: sa.Engine, run: RunJob) -> None:
    """Run every analysis on what was recorded.

    Co-occurrence of layer 3's features is counted over the newest documents. Lobes are found in
    one half of the documents and evaluated on the other. Then come a map of these features, the
    spectra and the crystals of all layers, and at last words of known relations.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    run : callable
        Runs one job after the other, and shows its progress and its result.
    """
    sae = tables.sae
    every = sa.select(sae.c.id).where(sae.c.release == RELEASE).order_by(sae.c.layer)
    with engine.connect() as connection:
        saes = connection.execute(every).scalars().all()
    _find_lobes(engine, run)
    for one in saes:
        measured = SpectraParams(sae=one, components=COMPONENTS, neighbours=(1,))
        run(partial(perform, engine, spectra.ANALYSIS, measured))
    for one in saes:
        run(_promoted_tokens(engine, one))
        run(partial(perform, engine, crystals.ANALYSIS, CrystalParams(sae=one)))
    pairs = sorted((_HERE / "words").glob("*.json"))
    reading = model_vectors.Params(str(MODEL), WORD_LAYERS)
    run(lambda report: words.ingest_model_words(engine, pairs, reading, report=report))
    for layer in WORD_LAYERS:
        space = f"{MODEL.name}/{layer}/resid_post"
        run(partial(perform, engine, relations.ANALYSIS, relations.Params(space=space)))


def _promoted_tokens(engine: sa.Engine, sae: int) -> Callable[[Report], TokensOutcome]:
    return lambda report: promoted_tokens.find_tokens(engine, sae, model=str(MODEL), report=report)


def _find_lobes(engine: sa.Engine, run: RunJob) -> None:
    """Count, find lobes, and analyse and map them: layer 3."""
    recording, sae = tables.recording, tables.sae
    query = (
        sa.select(sa.func.max(recording.c.id), sa.func.max(sae.c.id))
        .join(sae, sae.c.id == recording.c.sae)
        .where(sae.c.release == RELEASE, sae.c.layer == 3)
    )
    with engine.connect() as connection:
        number, layer = connection.execute(query).one()
    above = Threshold(0.0)
    count = partial(perform, engine, cooccurrence.ANALYSIS)
    run(partial(count, counting.Params(number, above)))
    half = run(partial(count, counting.Params(number, above, half="first"))).run
    wanted = LobeParams(half, affinities=["phi"], ks=LOBES)
    found = run(partial(perform, engine, lobes.ANALYSIS, wanted)).run
    run(partial(perform, engine, subsets.ANALYSIS, SubsetsParams(found)))
    angles = geometry.Params(layer, ks=LOBES, cooccurrence=half)
    clustered = run(partial(perform, engine, geometry.ANALYSIS, angles)).run
    tested = SpatialityParams(found, clustered, ks=LOBES[:2], vector_trials=0)
    run(partial(perform, engine, spatiality.ANALYSIS, tested))
    run(partial(perform, engine, maps.ANALYSIS, maps.Params(sae=layer)))


def questions() -> list[Question]:
    """Read the demo's questions.

    Returns
    -------
    list of Question
    """
    parts = (_HERE / "questions.sql").read_text("utf-8").split("\n-- ? ")[1:]
    return [Question(title, sql.strip()) for title, sql in (p.split("\n", 1) for p in parts)]


def write_documents(path: Path, per_subset: int) -> Path:
    """Write this machine's documents to a file, once: they are a corpus like any other.

    Parameters
    ----------
    path : Path
        JSON lines in The Pile's form.
    per_subset : int
        Documents of each type, at most.

    Returns
    -------
    Path
        The same path.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # types side by side, in an order that is the same each time: any part is a fair sample
        rows = sorted((json.dumps(d) for d in texts.collect(per_subset)), key=_digest)
        part = path.with_suffix(".part")
        part.write_text("\n".join(rows) + "\n", encoding="utf-8")
        part.rename(path)
    return path


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
