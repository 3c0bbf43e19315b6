"""From text to nodes."""

import difflib
import re
from functools import cache
from importlib.resources import files

import lark
from lark.lexer import PatternRE, TerminalDef

from saeatlas import errors
from saeatlas.catalog.language import nodes
from saeatlas.catalog.language.build import Builder
from saeatlas.catalog.language.mistakes import PAGE, mistake
from saeatlas.catalog.language.nodes import Place

_END = r"\b"
_STRANGE = "[\0\ud800-\udfff]"
_SQL = {"select", "with", "values", "table", "explain"}
_WORDS = {
    "NAME": "a name",
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
    """Read the grammar, as its page shows it.

    Returns
    -------
    str
    """
    return files("saeatlas.catalog.language").joinpath("grammar.lark").read_text("utf-8")


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
    strange = re.search(_STRANGE, text)
    if strange:
        wrong = "Here stands a character that no text can hold."
        raise mistake(
            re.sub(_STRANGE, "\N{REPLACEMENT CHARACTER}", text), Place(*strange.span()), wrong
        )
    try:
        tree = parser().parse(text)
    except lark.UnexpectedInput as error:
        raise _unexpected(error, text) from error
    try:
        query: nodes.Query = Builder(text).transform(tree)
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
    if terminal == "FUNCTION_VECTORS":
        return "function vectors"
    return str(parser().get_terminal(terminal).pattern.value).removesuffix(_END)


def _unexpected(error: lark.UnexpectedInput, text: str) -> errors.BadQuery:
    start = error.pos_in_stream
    if start is None or start < 0 or getattr(error, "token", None) == "":
        start = len(text)
    terminals = expected(text[:start])
    words = shown(terminals)
    listed = f"Expected: {', '.join(words)}."
    rest = re.match(r"\w+|\S", text[start:])
    if rest is None:
        if not text.strip():
            return errors.BadQuery("The query is empty.", available=listed, hint=PAGE)
        end = len(text.rstrip())
        return mistake(text, Place(end, end), "The query ends too early.", available=listed)
    word = rest[0]
    at = Place(start, start + len(word))
    if word in "\"'":
        return mistake(text, at, "A text is not closed.")
    if start == 0 and word.lower() in _SQL:
        return mistake(
            text, at, "This begins as SQL.", available=listed, hint="`saeatlas sql` runs SQL."
        )
    close = difflib.get_close_matches(word.lower(), filter(str.isalpha, words), n=1)
    near = [f"Nearest: {close[0]}."] if close else []
    return mistake(
        text, at, f"{word!r} is not expected here.", available="\n".join([*near, listed])
    )
