"""No text, however strange, gives anything but an answer or a sentence."""

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark

from saeatlas import errors
from saeatlas.catalog import query, sql
from saeatlas.catalog.language.complete import suggest
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.catalog.language.parse import parse, parser
from tests.catalog.language.test_snapshots import QUERIES

EVERY = [each for kind in KINDS.values() for each in (kind, *kind.variants.values())]
"""All kinds of rows, with those that a clause makes of them."""

pytestmark = pytest.mark.xdist_group("asked")
many = settings(
    max_examples=3 * settings().max_examples,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

VALID = [*QUERIES.values()]
NAMES = sorted({field.name for kind in EVERY for field in kind.fields})
SPECIAL = {
    "NAME": st.sampled_from([*NAMES, "density", "lobe", "cosine", "phi", "angular", "x"]),
    "INTEGER": st.integers(0, 21).map(str),
    "NUMBER": st.one_of(
        st.integers().map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr)
    ),
    "TEXT": st.one_of(
        st.sampled_from(["Github", "gemma-scope", "2024-01-01"]), st.text(max_size=9)
    ).map(lambda text: '"' + text.replace('"', '""') + '"'),
    "FEATURE": st.builds("{}:{}".format, st.sampled_from([12, 20, 3]), st.integers(0, 250)),
    "SAE_FEATURE": st.builds("sae {}:{}".format, st.integers(0, 4), st.integers(0, 250)),
    "RELEASE_FEATURE": st.builds("gemma-scope/{}:1".format, st.sampled_from([12, 20])),
    "PATH": st.sampled_from(["gemma-scope", "other/one", "x"]),
    "COMPARISON": st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="]),
    "COMMENT": st.just(""),
}


def _spaced() -> st.SearchStrategy[str]:
    """Queries of the grammar, with a space behind each word."""
    explicit = {
        terminal.name: SPECIAL.get(
            terminal.name, st.just(terminal.pattern.value.removesuffix(r"\b"))
        ).map(lambda text: f"{text} ")
        for terminal in parser().terminals
        if not terminal.name.startswith("__IGNORE")
    }
    explicit |= {name.upper().replace(" ", "_"): st.just(f"{name} ") for name in KINDS}
    return from_lark(parser(), start="query", explicit=explicit)


@st.composite
def _mutated(draw: Any) -> str:
    """Valid queries with parts taken out, doubled, exchanged or replaced."""
    words = draw(st.sampled_from(VALID)).split(" ")
    for _ in range(draw(st.integers(1, 3))):
        i, j = (draw(st.integers(0, len(words) - 1)) for _ in range(2))
        how = draw(st.sampled_from(["drop", "double", "exchange", "other", "text"]))
        if how == "drop":
            words = words[:i] + words[i + 1 :] or [""]
        elif how == "double":
            words.insert(j, words[i])
        elif how == "exchange":
            words[i], words[j] = words[j], words[i]
        elif how == "other":
            words[i] = draw(st.sampled_from(draw(st.sampled_from(VALID)).split(" ")))
        else:
            words[i] = draw(st.text(max_size=6))
    return " ".join(words)


def _answer_or_sentence(engine: sa.Engine, text: str) -> None:
    try:
        found = query.answer(engine, text, timeout=20, limit=3)
    except errors.BadQuery as error:
        assert error.wrong and (
            error.available is None or "^" in error.available or not text.strip()
        )
    else:
        assert len(found) <= 3


@given(text=st.text(max_size=60))
def test_any_text(text: str) -> None:
    try:
        parse(text)
    except errors.BadQuery as error:
        assert error.wrong
    suggest(text)


@many
@given(text=_mutated())
def test_queries_gone_wrong(asked: sa.Engine, text: str) -> None:
    _answer_or_sentence(asked, text)
    suggest(text)


@many
@given(text=_spaced())
def test_queries_of_the_grammar(asked: sa.Engine, text: str) -> None:
    _answer_or_sentence(asked, text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_sql_shown_means_the_same(asked: sa.Engine, value: str) -> None:
    quoted = value.replace("'", "''")
    text = f"runs where analysis != '{quoted}' and run > 0"
    made = query.compiled(asked, text)
    assert sql.answer_sql(asked, made.shown()).rows == query.answer(asked, text).rows
    assert made.bound[1]["param_1"] == value
