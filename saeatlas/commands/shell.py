"""The prompt of `saeatlas shell`: reads lines, completes words, keeps a history."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from saeatlas import errors, settings
from saeatlas.catalog import query, sql
from saeatlas.catalog.language.complete import suggest
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.commands.console import table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from saeatlas.catalog.answers import Answer

SQL = re.compile(r"[\s(]*((select|with|values|table|explain|show)\b|--|/\*)", re.IGNORECASE)
"""How a line of SQL begins."""

HELP = f"""\
A query begins with one of: {", ".join(KINDS)}; SQL with select, with, explain.
  features near 12:4821 limit 10
  select layer, count(*) from features group by layer
Tab completes; the arrow keys bring back earlier lines. help, quit."""


class Words(Completer):
    """Completes the language, and names in SQL.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    def __init__(self, engine: sa.Engine) -> None:
        def names(text: str) -> list[str]:
            return [row[0] for row in sql.answer_sql(engine, text).rows]

        self.releases = names("select distinct release from saes order by release")
        self.sql = names(sql.known_names())

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """Yield what may come next."""
        text = document.text_before_cursor
        if SQL.match(text):
            word = document.get_word_before_cursor()
            names = (name for name in self.sql if word and name.startswith(word))
            yield from (Completion(name, -len(word)) for name in names)
            return
        for found in suggest(text, self.releases):
            yield Completion(found.word, -found.written, display_meta=found.comment)


def run(engine: sa.Engine, timeout: float, limit: int) -> None:
    """Read lines and answer them until the end of input.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    timeout : float
        Time limit of a line in seconds; 0 for none.
    limit : int
        Most rows to fetch.
    """
    prompt: PromptSession[str] = PromptSession(
        "saeatlas> ", history=_history(), completer=Words(engine), complete_while_typing=False
    )
    click.echo("help explains, quit or Ctrl-D ends.")
    while True:
        try:
            line = prompt.prompt().strip().rstrip("; ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if line in ("quit", "exit"):
            return
        if line == "help":
            click.echo(HELP)
        elif line:
            _answer(engine, line, timeout=timeout, limit=limit)


def _history() -> History:
    """Keep lines in a file that is its owner's alone; in memory where there can be none."""
    path = settings.load().data_dir.expanduser() / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def _answer(engine: sa.Engine, line: str, **limits: Any) -> None:
    began = time.perf_counter()
    ask = sql.answer_sql if SQL.match(line) else query.answer
    try:
        found: Answer = ask(engine, line, **limits)
        click.echo(table(found))
        for note in found.notes:
            click.secho(f"note: {note}", dim=True)
        rows = f"{len(found):,} row{'' if len(found) == 1 else 's'}" + (
            " and more" if found.more else ""
        )
        click.secho(f"{rows}, {1000 * (time.perf_counter() - began):.0f} ms", dim=True)
    except errors.AtlasError as error:
        click.secho(str(error), fg="red")
    except KeyboardInterrupt:
        click.echo("Stopped.")
