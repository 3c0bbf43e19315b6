"""The corpus that a table's rows are of: one of its own, or one that is there already."""

from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.ingest.tables import stage
from saeatlas.ingest.tables.stage import Source
from saeatlas.schema import tables
from saeatlas.schema.database import connect, statistics
from saeatlas.schema.database.statements import statement


def place_rows(connection: sa.Connection, source: Source, wanted: int | None) -> int:
    """Find or write the blocks that the staged rows are of.

    Fills the temporary table ``place``; writes ``corpus``, ``document`` and ``block`` unless the
    corpus is there already.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction, after `stage.stage_rows`.
    source : Source
    wanted : int or None
        Corpus that the user named. None for the one made from this source before, or a new one.

    Returns
    -------
    int
        ``corpus.id``.

    Raises
    ------
    UnknownName
        There is no such corpus.
    CorpusChanged
        The corpus made from this source has other documents.
    BadTable
        The corpus that the user named has other documents, or a document has no row.
    """
    driver = connect.raw(connection)
    row = _corpus_row(connection, source, wanted)
    numbers = {"corpus": row.id}
    if row.n_documents:
        driver.execute(statement(__name__, "place"), numbers)
        statistics.refresh(connection, stage.place)
        whole = {"whole_documents": source.whole_documents}
        misfits = driver.execute(statement(__name__, "misfits"), numbers | whole)
        for misfit in misfits.fetchall():
            _refuse(row, source, *misfit, wanted=wanted)
        return int(row.id)
    driver.execute(statement(__name__, "number_blocks"))
    statistics.refresh(connection, stage.place)
    n_documents = driver.execute(statement(__name__, "documents"), numbers).rowcount
    # each block's foreign key looks its document up; while the planner takes the new corpus for
    # empty, it may do so by the index on (corpus, subset), which is a scan of the whole corpus
    statistics.refresh(connection, tables.document, "corpus", "document")
    n_blocks = driver.execute(statement(__name__, "blocks"), numbers).rowcount
    connection.execute(
        sa.update(tables.corpus)
        .where(tables.corpus.c.id == row.id)
        .values(n_documents=n_documents, n_blocks=n_blocks)
    )
    return int(row.id)


def _corpus_row(connection: sa.Connection, source: Source, wanted: int | None) -> sa.Row[Any]:
    """Lock the corpus named, or the one created from this source, or create one."""
    table = tables.corpus
    created_from = sa.and_(
        table.c.source == source.corpus["source"], table.c.tokenizer_sha256.is_(None)
    )
    which = created_from if wanted is None else table.c.id == wanted
    locked = sa.select(table).where(which).order_by(table.c.id).limit(1).with_for_update()
    row = connection.execute(locked).one_or_none()
    if row is None and wanted is None:
        # waits for another transaction that creates the same corpus
        connection.execute(insert(table).values(source.corpus).on_conflict_do_nothing())
        row = connection.execute(locked).one()
    if row is None:
        known = connection.execute(sa.select(table.c.id).order_by(table.c.id)).scalars().all()
        raise errors.UnknownName(
            f"There is no corpus {wanted}.",
            available=f"Available: {', '.join(map(str, known)) or 'none'}.",
            hint="`saeatlas status` lists what is in the catalog.",
        )
    return row


def _refuse(
    corpus: sa.Row[Any],
    source: Source,
    kind: str,
    document: str | int,
    block: int | None,
    *,
    wanted: int | None,
) -> NoReturn:
    here, there = f"corpus {corpus.id}", source.source
    wrong = {
        "document": f"{there} names document {document!r}, which {here} has not.",
        "block": f"{there} names block {block} of document {document!r}, which {here} has not.",
        "tokens": f"{there} has other tokens for document {document} than {here}.",
        "several blocks": f"{there} names no blocks, and document {document!r} of {here} has "
        "several.",
        "left out": f"{there} has no row for document {document} of {here}, only for later ones.",
    }[kind]
    available = f"Corpus {corpus.id} was made from {corpus.source}."
    if kind == "several blocks":
        hint = (
            "Say which column is the column block: --column block=COLUMN. For one block a document "
            "leave --corpus out."
        )
    elif kind == "left out":
        hint = "Where nothing is active, one row with activation 0 says so."
    elif wanted is None:
        hint = f"Restore the documents, or `saeatlas remove corpus {corpus.id}` and start afresh."
    else:
        hint = "Leave --corpus out: the table gets a corpus of its own."
    kind_of_error = errors.BadTable if wanted or kind == "left out" else errors.CorpusChanged
    raise kind_of_error(wrong, available=available, hint=hint)
