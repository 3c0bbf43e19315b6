"""Chooses the count, clustering or recording where a query names none: the newest of the best."""

from collections.abc import Iterable, Sequence

from saeatlas.catalog.language import operands
from saeatlas.catalog.language.names import CLUSTERED, Clustering, Count, Recording, Sae
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import SelectBuilder
from saeatlas.schema.rows.attributes import Known
from saeatlas.wording import counted

COUNT = "`saeatlas analyze cooccurrence --recording N` counts; `saeatlas status` lists recordings."


def counts(builder: SelectBuilder, saes: Sequence[Sae], at: operands.Place) -> list[Count]:
    """Choose a count of co-occurrence for each SAE: over most blocks, the newest of these.

    Parameters
    ----------
    builder : SelectBuilder
    saes : sequence of Sae
    at : Place
        What needs the counts.

    Returns
    -------
    list of Count
        At most one an SAE, at least one; the one that ``in run 5`` names.

    Raises
    ------
    QueryError
        There is none.
    """
    wanted = builder.number("run")
    ids = {sae.id for sae in saes}
    if wanted is not None:
        found = [count for count in builder.names.counts if count.run == wanted.number]
        if not found or found[0].sae not in ids:
            there = ", ".join(str(c.run) for c in sorted(builder.names.counts) if c.sae in ids)
            raise QueryError(
                wanted.at, f"Run {wanted.number} is no count of these features' co-occurrence.",
                available=f"Available: {there or 'none'}.", hint=COUNT,
            )  # fmt: skip
    else:
        best = {count.sae: count for count in builder.names.counts if count.sae in ids}
        found = [best[number] for number in sorted(best)]
    if not found:
        raise QueryError(at, "This needs a count of co-occurrence, and there is none.", hint=COUNT)
    builder.notes.append(_note(found, saes))
    return found


def _note(found: Sequence[Count], saes: Sequence[Sae]) -> str:
    if len(found) > 1:
        runs = _listed(count.run for count in found)
        note = f"counts are of runs {runs}: of each SAE the newest over most blocks"
    else:
        count = found[0]
        sae = next(sae for sae in saes if sae.id == count.sae)
        above = (
            "counted elsewhere" if count.threshold is None else f"active above {count.threshold}"
        )
        note = f"counts are of run {count.run}: {sae}, {counted(count.n_blocks, 'block')}, {above}"
    without = {sae.id for sae in saes} - {count.sae for count in found}
    return note + (f"; none of SAE {_listed(without)}" if without else "")


def clusterings(
    builder: SelectBuilder, node: operands.Lobes, saes: Iterable[Sae], run: int | None
) -> list[Clustering]:
    """Choose a clustering for each SAE: the newest of this affinity and k.

    Parameters
    ----------
    builder : SelectBuilder
    node : Lobes
    saes : iterable of Sae
    run : int or None
        The run that made it, or the run of ``subsets`` about it, if the query names one.

    Returns
    -------
    list of Clustering
        At most one an SAE, at least one.

    Raises
    ------
    QueryError
        There is none.
    """
    ids = {sae.id for sae in saes}
    ours = [one for one in builder.names.clusterings if one.sae in ids]
    names = dict.fromkeys([*CLUSTERED, *(one.affinity for one in ours)])
    if node.affinity.text not in names:
        raise QueryError(
            node.affinity.at, f"There are no lobes by {node.affinity.text!r}.",
            name=node.affinity.text, known=names,
        )  # fmt: skip
    runs = {one.clustering for one in builder.names.subset_runs if one.run == run}
    best = {
        one.sae: one
        for one in ours
        if (one.affinity, one.k) == (node.affinity.text, node.k)
        and (run is None or one.run == run or one.id in runs)
    }
    if not best:
        raise QueryError(
            node.at, "There are no such lobes.", available=f"Available: {known(builder, saes)}.",
            hint="`saeatlas analyze lobes --cooccurrence RUN` makes some.",
        )  # fmt: skip
    found = [best[number] for number in sorted(best)]
    of = f"{node.affinity.text} k {node.k}"
    runs_shown = _listed(dict.fromkeys(one.run for one in found))
    builder.notes.append(f"lobes of {of} are those of run {runs_shown}")
    return found


def known(builder: SelectBuilder, saes: Iterable[Sae]) -> str:
    """List the lobes that there are.

    Parameters
    ----------
    builder : SelectBuilder
    saes : iterable of Sae

    Returns
    -------
    str
    """
    ids = {sae.id for sae in saes}
    there = (
        f"{one.affinity} k {one.k} in run {one.run}"
        for one in builder.names.clusterings
        if one.sae in ids
    )
    return _listed(dict.fromkeys(there)) or "none"


def attributes(
    builder: SelectBuilder, word: operands.Word, name: str, saes: Iterable[Sae]
) -> list[Known]:
    """Choose the attribute of a name for each SAE: the newest.

    Parameters
    ----------
    builder : SelectBuilder
    word : Word
        The field, for messages.
    name : str
        Of the attribute.
    saes : iterable of Sae

    Returns
    -------
    list of Known
        At most one an SAE, at least one, all of one type.

    Raises
    ------
    QueryError
        There is none, or some are numbers and others texts.
    """
    ids = {sae.id for sae in saes}
    there = [one for one in builder.names.attributes if one.sae in ids]
    best = {one.sae: one for one in there if one.name == name}
    if not best:
        raise QueryError(
            word.at, f"These features have no attribute {name!r}.",
            name=name, known=[one.name for one in there],
            hint="`saeatlas ingest attributes FILE --sae SAE` brings some in.",
        )  # fmt: skip
    found = [best[number] for number in sorted(best)]
    if len({one.type for one in found}) > 1:
        listed = _listed(f"{one.type}s of sae {one.sae}" for one in found)
        raise QueryError(
            word.at, f"{word.text} holds numbers and texts.",
            available=f"It holds {listed}.", hint="Name one SAE: `of sae 1`.",
        )  # fmt: skip
    runs_shown = _listed(dict.fromkeys(one.run for one in found))
    builder.notes.append(f"{word.text} is of run {runs_shown}")
    return found


def recordings(
    builder: SelectBuilder, saes: Sequence[Sae], at: operands.Place
) -> dict[int, Recording]:
    """Choose recordings of one corpus, one for each of some SAEs.

    Of these corpora, that of the first SAE's longest recording; of equally long ones the newest.

    Parameters
    ----------
    builder : SelectBuilder
    saes : sequence of Sae
    at : Place

    Returns
    -------
    dict of int to Recording
        One for each SAE.

    Raises
    ------
    QueryError
        There are none.
    """
    recording, corpus = builder.number("recording"), builder.number("corpus")
    known = [
        one for one in builder.names.recordings
        if (recording is None or one.id == recording.number)
        and (corpus is None or one.corpus == corpus.number)
    ]  # fmt: skip
    by_corpus = [{one.corpus: one for one in known if one.sae == sae.id} for sae in saes]
    first = [one.corpus for one in known if one.sae == saes[0].id]
    common = [number for number in first if all(number in each for each in by_corpus)]
    if not common:
        listed = _listed(saes)
        said = recording or corpus
        there = _listed(f"recording {one.id} of sae {one.sae}, corpus {one.corpus}"
                        for one in builder.names.recordings
                        if one.sae in {sae.id for sae in saes})  # fmt: skip
        raise QueryError(
            said.at if said else at,
            f"No corpus was recorded for {listed}" + (" here." if said else "."),
            available=f"Available: {there or 'none'}.",
            hint="`saeatlas ingest activations` records them.",
        )  # fmt: skip
    found = {sae.id: each[common[-1]] for sae, each in zip(saes, by_corpus, strict=True)}
    for sae in saes:
        one = found[sae.id]
        builder.notes.append(
            f"activations are of recording {one.id}: {sae}, {counted(one.n_blocks, 'block')}, "
            f"maxima above {one.keep_above:g}"
        )
    return found


def keep_to(builder: SelectBuilder, of: str) -> None:
    """Keep only rows of ``in run 5`` or the like, if it is said.

    Parameters
    ----------
    builder : SelectBuilder
    of : {'run', 'recording', 'corpus'}

    Raises
    ------
    QueryError
        There is no such run.
    """
    number = builder.number(of)
    if number is None:
        return
    there = {
        "run": builder.names.analyses,
        "recording": {one.id for one in builder.names.recordings},
        "corpus": builder.names.corpora,
    }[of]
    if number.number not in there:
        listed = _listed(sorted(there), 30) or "none"
        raise QueryError(
            number.at, f"There is no {of} {number.number}.", available=f"Available: {listed}."
        )
    builder.restrict(of, [number.number])


def _listed(parts: Iterable[object], most: int = 8) -> str:
    shown = list(map(str, parts))
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
