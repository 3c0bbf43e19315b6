"""Crystals: parallelograms and trapezoids of features, and the function vectors they follow."""

import time
from collections.abc import Iterator

import sqlalchemy as sa

from saeatlas.analyses.crystals import inputs as crystal_inputs
from saeatlas.analyses.crystals import store
from saeatlas.analyses.crystals.inputs import Inputs
from saeatlas.analyses.crystals.params import Terms
from saeatlas.analyses.crystals.search import Search
from saeatlas.analyses.progress import Progress
from saeatlas.schema.rows import runs


def find(engine: sa.Engine, sae: int, terms: Terms) -> Iterator[Progress]:
    """Find crystals among the decoder vectors of an SAE.

    Writes a run 'crystals' with its rows of ``function_vector``, ``function_vector_member``,
    ``crystal``, ``distractor`` and ``distractor_attribute``, in one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    sae : int
        ``sae.id``.
    terms : Terms

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError
        No such SAE, recording or words, or too few features.
    QueryFailed
        The condition on features does not run.
    CatalogBusy
        Another process makes the same.

    Notes
    -----
    See `Search` for what is found and what is missed.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025: definitions, and crystals of
    words. Features were not searched there.
    """
    began = time.perf_counter()
    with engine.connect() as connection:
        inputs = crystal_inputs.read(connection, sae, terms)
    key = runs.input_hash(seed=terms.seed, **inputs.facts | terms.params)
    with runs.claimed(engine, "crystals", "crystals", key) as found:
        number, created = found, found is None
        notes: tuple[str, ...] = ()
        if number is None:
            search = Search(inputs.vectors, terms, inputs.attributes, inputs.relations)
            for done in search.steps():
                yield Progress("crystals", done, search.n_steps, time.perf_counter() - began)
            notes = _notes(inputs, search)
            number = store.publish(engine, key, inputs, search, notes, time.perf_counter() - began)
    with engine.connect() as connection:
        any_found = store.any_of(connection, number)
    view = "crystals" if any_found else "runs"
    ask = f'saeatlas sql "select * from {view} where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask, notes)


def _notes(inputs: Inputs, search: Search) -> tuple[str, ...]:
    """Say what was left out, and why."""
    terms, notes = search.terms, []
    if inputs.n_zero:
        notes.append(f"{inputs.n_zero:,} features have a decoder vector of 0.")
    if inputs.n_duplicates:
        notes.append(f"{inputs.n_duplicates:,} features have another's decoder vector.")
    if not terms.keep_distractors:
        unknown = [name for name in terms.attributes if name not in inputs.attributes]
        if unknown:
            notes.append(f"Not known, so not projected out: {', '.join(unknown)}.")
        if search.unused:
            notes.append(f"No direction follows: {', '.join(search.unused)}.")
    if not len(search.found.q):
        notes.append(f"No crystals at a false discovery rate of {terms.rate:g}.")
    if len(search.found.q) > store.MOST:
        notes.append(f"Of {len(search.found.q):,} crystals the best {store.MOST:,} stand.")
    return tuple(notes)
