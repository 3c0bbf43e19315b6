"""The language as it is read: nodes, and what is said of a text that is none of it."""

import pytest

from saeatlas import errors
from saeatlas.catalog import query
from saeatlas.catalog.language import nodes, operands
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.catalog.language.nodes import Comparison
from saeatlas.catalog.language.operands import Feature, Place, Value, Word
from saeatlas.catalog.language.parse import parse, parser

AT = Place(0, 0)
"""Places are not compared."""


def _word(text: str) -> Word:
    return Word(text, AT)


def _number(value: float) -> Value:
    return Value(value, False, AT)


def test_a_query_is_its_parts() -> None:
    parsed = parse(
        "features of sae 3 near 12:10 - sae 4:11 in layer 20 where density between 0.001 and 1e-2 "
        'order by cosine desc, feature limit 7 # and so on\n# "'
    )
    minus = (-1, Feature(11, None, 4, None, AT))
    assert parsed == nodes.Query(
        _word("features"),
        (
            nodes.Of(operands.Saes("sae", 3, AT), AT),
            nodes.Near(((1, Feature(10, 12, None, None, AT)), minus), AT),
            nodes.In(operands.Saes("layer", 20, AT), AT),
        ),
        Comparison(_word("density"), "between", (_number(0.001), _number(0.01)), AT),
        (nodes.Order(_word("cosine"), True), nodes.Order(_word("feature"), False)),
        7,
    )


def test_and_binds_closer_than_or_and_not_closest() -> None:
    where = parse("runs where not run = 1 and run = 2 or (run = 3 or run = 4) and run = 5").where
    one, two, three, four, five = (
        Comparison(_word("run"), "=", (_number(n),), AT) for n in range(1, 6)
    )
    first = nodes.All((nodes.Not(one), two))
    assert where == nodes.Any((first, nodes.All((nodes.Any((three, four)), five))))
    assert parse("runs where not not not run = 1").where == nodes.Not(one)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("12:4821", Feature(4821, 12, None, None, AT)),
        ("sae 3:4821", Feature(4821, None, 3, None, AT)),
        ("gemma-scope-2b-pt-res/12:4821", Feature(4821, 12, None, "gemma-scope-2b-pt-res", AT)),
        ("google/gemma_2.b/12:4821", Feature(4821, 12, None, "google/gemma_2.b", AT)),
        ('"my ""own"" one"/12:4821', Feature(4821, 12, None, 'my "own" one', AT)),
        ("'a/b'/12:4821", Feature(4821, 12, None, "a/b", AT)),
    ],
)
def test_names_of_features(written: str, expected: Feature) -> None:
    assert parse(f"crystals with {written}").clauses == (
        nodes.With(expected, None, None, None, AT),
    )
    assert parse(f"labels of {written}").clauses == (nodes.OfFeature(expected, AT),)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("12", _number(12)),
        ("-0.5", _number(-0.5)),
        (".5e-3", _number(0.0005)),
        ("lobes", Value("lobes", False, AT)),
        ("'it''s \"so\" # no remark'", Value('it\'s "so" # no remark', True, AT)),
        ('"\\%"', Value("\\%", True, AT)),
    ],
)
def test_values(written: str, expected: Value) -> None:
    assert parse(f"runs where analysis != {written}").where == Comparison(
        _word("analysis"), "!=", (expected,), AT
    )
    assert parse(f"runs where analysis<>{written}").where == Comparison(
        _word("analysis"), "!=", (expected,), AT
    )


def test_each_kind_begins_a_query() -> None:
    for kind in KINDS:
        assert parse(kind).kind == _word(kind)
    assert parse("function \n vectors").kind == _word("function vectors")
    assert len(KINDS) == len([t for t in parser().rules if t.origin.name == "kind"])


def _said(text: str) -> str:
    with pytest.raises(errors.BadQuery) as caught:
        query.parse(text)
    return str(caught.value)


PAGE = "https://github.com/saeatlas/saeatlas/tree/main/docs/query.md explains the language."


def test_a_word_mistyped() -> None:
    assert _said("features wher layer = 12") == (
        "'wher' is not expected here.\n"
        "features wher layer = 12\n"
        "         ^^^^\n"
        "Nearest: where.\n"
        "Expected: about, by, exactly, in, limit, near, of, order, where, with, the end.\n" + PAGE
    )


def test_a_kind_mistyped() -> None:
    assert _said("featurs where layer = 12").startswith(
        "'featurs' is not expected here.\nfeaturs where layer = 12\n^^^^^^^\nNearest: features.\n"
        "Expected: blocks, crystals, documents, features, function vectors, labels, lobes,"
    )


def test_a_query_that_ends_too_early() -> None:
    assert _said("features where\n  density >") == (
        "The query ends too early.\n"
        "  density >\n"
        "           ^\n"
        "Expected: a name, a number, a text in quotes.\n" + PAGE
    )
    assert "`saeatlas sql` runs SQL." in _said("select * from features")
    assert _said("  ").startswith("The query is empty.\nExpected: blocks, crystals,")


def test_a_text_that_is_not_closed() -> None:
    assert _said('features about "capital cities') == (
        'A text is not closed.\nfeatures about "capital cities\n               ^\n' + PAGE
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("features near 12", "'12' is not expected here"),
        ("features limit -1", "'-' is not expected here"),
        ("features limit 99999999999", "A whole number of at most 2,147,483,647"),
        ("features near 12:" + "9" * 5000, "A whole number of at most 2,147,483,647"),
        ("runs where run = 1e999", "This number is too large"),
        ("runs where run = " + "9" * 5000, "This number is too large"),
        ("runs where run = 9223372036854775808", "This number is too large"),
        ("runs where run = 12abc", "'12abc' is not expected here"),
        ("runs where run == 1", "'=' is not expected here"),
        ("runs; drop table sae", "';' is not expected here"),
        ("runs\0", "This character cannot be stored as text"),
        ("runs where analysis = '\udc80'", "This character cannot be stored as text"),
    ],
)
def test_what_cannot_be_read(text: str, wrong: str) -> None:
    said = _said(text)
    assert wrong in said.splitlines()[0]


def test_a_keyword_is_a_whole_word() -> None:
    assert "'andx' is not expected here" in _said("runs where run = 1 andx = 2")
    where = parse("saes where notable = 1 and firesome = 2 or saes = 3").where
    assert isinstance(where, nodes.Any)


def test_the_caret_stands_under_the_place_behind_tabs_too() -> None:
    lines = _said("runs where\n\trun = 1 andd run = 2").splitlines()
    assert lines[1] == "\trun = 1 andd run = 2"
    assert lines[2] == "\t        ^^^^"
