"""From text to nodes."""

import difflib
import re
from functools import cache
from importlib.resources import files
from textwrap import fill

import lark
from lark.lexer import PatternRE, TerminalDef

from saeatlas.catalog.language import nodes
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.catalog.language.operands import Place
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.to_nodes import ToNodes

_END = r"\b"
_SPACE = r"\s+"
UNPRINTABLE = "[\0\ud800-\udfff]"
"""Characters that no text of PostgreSQL, and no terminal, can hold."""

_SQL = {"select", "with", "values", "table", "explain"}
_WORDS = {
    "NAME": "a name",
    "ATTRIBUTE": "a name",
    "NUMBER": "a number",
    "INTEGER": "a whole number",
    "TEXT": "a text in quotes",
    "PATH": "a name",
    "COMPARISON": "a comparison (= != < <= > >=)",
    "SIGN": "+ or -",
    "FEATURE": "a feature, as 12:4821",
    "RELEASE_FEATURE": "a feature, as 12:4821",
    "SAE_FEATURE": "a feature, as 12:4821",
    "$END": "the end",
}


def grammar() -> str:
    """Read the grammar, and add the kinds of rows to it.

    Returns
    -------
    str
    """
    text = files("saeatlas.catalog.language").joinpath("grammar.lark").read_text("utf-8")
    words = {_terminal(name): name for name in KINDS}
    spelled = (
        f'{terminal}: "{name}"' if name.isalpha()
        else f"{terminal}: /{_SPACE.join(name.split())}{_END}/"
        for terminal, name in words.items()
    )  # fmt: skip
    rule = fill(f"kind: {' |_'.join(words)}", 90, subsequent_indent="    ").replace("|_", "| ")
    return "\n".join([text, rule, *spelled, ""])


def _terminal(kind: str) -> str:
    """Name the terminal of a kind, as FUNCTION_VECTORS."""
    return kind.upper().replace(" ", "_")


@cache
def parser() -> lark.Lark:
    """Make the parser: 30 ms, once a process.

    Returns
    -------
    lark.Lark
    """
    return lark.Lark(
        grammar(), parser="lalr", start="query", propagate_positions=True, edit_terminals=_whole
    )


def _whole(terminal: TerminalDef) -> None:
    """Let a keyword be a whole word: `andx` is not `and x`, `notable` may be a name."""
    if terminal.pattern.value.isalpha():
        terminal.pattern = PatternRE(terminal.pattern.value + _END)
        terminal.priority = 1


def parse(text: str) -> nodes.Query:
    """Read a query.

    Parameters
    ----------
    text : str

    Returns
    -------
    nodes.Query

    Raises
    ------
    BadQuery
        It is not of the language; the message says what was expected where.
    """
    unprintable = re.search(UNPRINTABLE, text)
    if unprintable:
        at = Place(*unprintable.span())
        raise QueryError(at, "This character cannot be stored as text.")
    try:
        tree = parser().parse(text)
    except lark.UnexpectedInput as error:
        raise _unexpected(error, text) from error
    try:
        query: nodes.Query = ToNodes().transform(tree)
    except lark.exceptions.VisitError as error:
        raise error.orig_exc from error
    return query


def expected(text: str) -> set[str]:
    """Say which terminals of the grammar may follow a text.

    Parameters
    ----------
    text : str
        The beginning of a query.

    Returns
    -------
    set of str
        Empty where the text itself is no beginning.
    """
    state = parser().parse_interactive(text)
    try:
        state.exhaust_lexer()
    except lark.UnexpectedInput:
        return set()
    return set(state.accepts())  # type: ignore[no-untyped-call]


def shown(terminals: set[str]) -> list[str]:
    """Write terminals as a user would: keywords first, then what else.

    Parameters
    ----------
    terminals : set of str

    Returns
    -------
    list of str
    """
    keywords = sorted(keyword(name) for name in terminals - _WORDS.keys())
    others = [text for name, text in _WORDS.items() if name in terminals]
    return keywords + list(dict.fromkeys(others))


def keyword(terminal: str) -> str:
    """Return the word or sign of a terminal.

    Parameters
    ----------
    terminal : str

    Returns
    -------
    str
    """
    kinds = {_terminal(name): name for name in KINDS}
    if terminal in kinds:
        return kinds[terminal]
    return str(parser().get_terminal(terminal).pattern.value).removesuffix(_END)


def _unexpected(error: lark.UnexpectedInput, text: str) -> QueryError:
    start = error.pos_in_stream
    if start is None or start < 0 or getattr(error, "token", None) == "":
        start = len(text)
    terminals = expected(text[:start])
    words = shown(terminals)
    listed = f"Expected: {', '.join(words)}."
    rest = re.match(r"\w+|\S", text[start:])
    if rest is None:
        if not text.strip():
            return QueryError(None, "The query is empty.", available=listed)
        end = len(text.rstrip())
        return QueryError(Place(end, end), "The query ends too early.", available=listed)
    word = rest[0]
    at = Place(start, start + len(word))
    if word in "\"'":
        return QueryError(at, "A text is not closed.")
    if start == 0 and word.lower() in _SQL:
        return QueryError(
            at, "This begins as SQL.", available=listed, hint="`saeatlas sql` runs SQL."
        )
    close = difflib.get_close_matches(word.lower(), filter(str.isalpha, words), n=1)
    near = [f"Nearest: {close[0]}."] if close else []
    return QueryError(at, f"{word!r} is not expected here.", available="\n".join([*near, listed]))
