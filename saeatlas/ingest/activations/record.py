"""Run a model over a corpus once, and store the maximum activations of every SAE in each block."""

from collections.abc import Sequence

import sqlalchemy as sa

from saeatlas.ingest.activations import forward
from saeatlas.ingest.activations.forward import ModelWithSaes
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.outcome import RecordOutcome
from saeatlas.ingest.activations.recorder import Recorder
from saeatlas.ingest.corpora import Corpus
from saeatlas.progress import Report, silent
from saeatlas.schema.rows import running_jobs
from saeatlas.schema.rows.saes import find_saes, weights


def record(
    engine: sa.Engine,
    *,
    model: str,
    corpus: Corpus,
    saes: Sequence[str],
    options: Options | None = None,
    report: Report = silent,
) -> RecordOutcome:
    """Record the maximum activations of SAEs on a corpus; continue where an earlier run stopped.

    Writes ``corpus``, ``document``, ``block``, ``model``, ``recording`` and ``activation``, with
    ``options.covariance`` ``activation_covariance`` too, a chunk of documents in one transaction.
    A recording begun with a covariance goes on with it, whatever the options say. Nothing is
    written before the first documents have been run and every SAE was found to fit.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    model : str
        Hub id or folder of a transformers model.
    corpus : Corpus
    saes : sequence of str
        SAEs of the catalog: numbers, names, or a release for all of it.
    options : Options, optional
    report : callable, optional
        Called with the documents done at the start, after each chunk and at the end.

    Returns
    -------
    RecordOutcome

    Raises
    ------
    InputError
        SAE, model and corpus do not belong together, or cannot be read; or a covariance is wanted
        of a recording that was begun without.
    CatalogBusy
        Another process makes one of these recordings.
    DatabaseError

    Notes
    -----
    In float32 the blocks' features are those of ``sae.encode`` on each document alone, whatever
    the batch: see `block_maxima`. In bfloat16 about one in two hundred differs.
    """
    options = options or Options()
    with engine.connect() as connection:
        rows = find_saes(connection, saes)
        for row in rows:
            weights(row)
    loaded = forward.load_model_with_saes(model, rows, options)  # long: no transaction meanwhile
    return record_documents(engine, corpus, loaded, options, report)


def record_documents(
    engine: sa.Engine,
    corpus: Corpus,
    loaded: ModelWithSaes,
    options: Options,
    report: Report = silent,
) -> RecordOutcome:
    """Record as `record` does, with a model and SAEs that are loaded already.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    corpus : Corpus
    loaded : ModelWithSaes
    options : Options
    report : callable, optional

    Returns
    -------
    RecordOutcome

    Raises
    ------
    InputError, CatalogBusy, DatabaseError
    """
    job = Recorder(engine, corpus, loaded, options, report)
    with running_jobs.all_locked(engine, "recording", job.locks):
        return job.run()
