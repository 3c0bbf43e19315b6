"""A kind of rows is one declaration: all that reads it takes a new one as it is."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog import query
from saeatlas.catalog.language import nodes, views
from saeatlas.catalog.language.complete import suggest
from saeatlas.catalog.language.field_types import Brought, Field, Kind, columns
from saeatlas.catalog.language.fields import RUN, SAE
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.catalog.language.parse import grammar, parser
from saeatlas.schema import tables

pytestmark = pytest.mark.xdist_group("asked")

CLAUSES = {
    each.name for each in (nodes.Of, nodes.In, nodes.OfLobes, nodes.OfFeature, nodes.Near)
} | {each.name for each in (nodes.Exactly, nodes.With, nodes.About, nodes.BySubset)}


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
    """Declare a kind as a module of kinds/ would."""
    kind = Kind(
        name="sets of lobes",
        view="clusterings",
        fields=(RUN, SAE, *columns(tables.clustering, "affinity", "k")),
        order=("run", "affinity", "k"),
        clauses=("of", "in run"),
        compile=views.select_rows,
        brought=(Brought("of", (Field("extra", "text", "Shown in completion only."),)),),
    )
    monkeypatch.setitem(KINDS, kind.name, kind)
    parser.cache_clear()
    yield kind
    parser.cache_clear()


def test_a_new_kind_is_parsed_compiled_and_answered(asked: sa.Engine, new: Kind) -> None:
    assert "SETS_OF_LOBES" in grammar()
    found = query.answer(asked, "sets  of lobes in run 3 where k > 2")
    assert found.columns == ("run", "sae", "affinity", "k")
    assert found.rows == [(3, 1, "phi", 3)]
    assert len(query.answer(asked, "sets of lobes")) > 2


def test_a_new_kind_is_completed(new: Kind) -> None:
    def words(text: str) -> list[str]:
        return [one.word for one in suggest(text)]

    assert words("set") == words("sets o") == ["sets of lobes"]
    assert words("sets of lobes ") == ["in", "limit", "of", "order", "where"]
    assert "run" in words("sets of lobes in ") and "corpus" not in words("sets of lobes in ")
    assert words("sets of lobes where aff") == ["affinity"]


def test_a_new_kind_refuses_what_it_does_not_take(asked: sa.Engine, new: Kind) -> None:
    with pytest.raises(errors.BadQuery, match="Sets of lobes have no `near`") as caught:
        query.compiled(asked, "sets of lobes near 12:1")
    assert "They have: of, in run." in str(caught.value)
    with pytest.raises(errors.BadQuery, match="Sets of lobes have no such condition"):
        query.compiled(asked, "sets of lobes where lobe = 2 of phi k 3")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_clauses_are_those_of_the_grammar(kind: Kind) -> None:
    numbers = {"in run", "in recording", "in corpus"}
    assert set(kind.clauses) <= CLAUSES | numbers
    assert set(kind.variants) <= set(kind.clauses)
    for brought in kind.brought:
        assert brought.clause in kind.clauses or ":" in brought.clause
