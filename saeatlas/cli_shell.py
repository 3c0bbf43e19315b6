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
from prompt_toolkit.history import FileHistory

from saeatlas import errors, settings
from saeatlas.catalog import answers, query, sql
from saeatlas.catalog.language import fields
from saeatlas.catalog.language.complete import suggest

if TYPE_CHECKING:
    import sqlalchemy as sa

    from saeatlas.catalog.answers import Answer

SQL = re.compile(r"\s*(select|with|values|table|explain|show)\b", re.IGNORECASE)
"""How a line of SQL begins."""

HELP = f"""\
A query begins with one of: {", ".join(fields.KINDS)}; SQL with select, with, explain.
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
        self.releases = [
            row[0] for row in sql.answer_sql(engine, "select distinct release from saes").rows
        ]
        kinds = (*fields.KINDS.values(), fields.BY_SUBSET)
        self.sql = sorted(
            {kind.view for kind in kinds} | {field.name for kind in kinds for field in kind.fields}
        )

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
        Seconds that a line may take; 0 for as long as it likes.
    limit : int
        Most rows to fetch.
    """
    history = settings.load().data_dir.expanduser() / "history"
    history.parent.mkdir(parents=True, exist_ok=True)
    prompt: PromptSession[str] = PromptSession(
        "saeatlas> ", history=FileHistory(str(history)), completer=Words(engine),
        complete_while_typing=False,
    )  # fmt: skip
    click.echo("help explains, quit or Ctrl-D ends.")
    while True:
        try:
            line = prompt.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if line.rstrip(";") in ("quit", "exit"):
            return
        if line:
            _answer(engine, line, timeout=timeout, limit=limit)


def _answer(engine: sa.Engine, line: str, **limits: Any) -> None:
    if line == "help":
        click.echo(HELP)
        return
    began = time.perf_counter()
    ask = sql.answer_sql if SQL.match(line) else query.answer
    try:
        found: Answer = ask(engine, line.rstrip(";"), **limits)
    except errors.AtlasError as error:
        click.secho(str(error), fg="red")
        return
    except KeyboardInterrupt:
        click.echo("Stopped.")
        return
    click.echo(answers.render(found, "table"))
    for note in found.notes:
        click.secho(f"note: {note}", dim=True)
    rows = f"{len(found):,} rows" + (" and more" if found.more else "")
    click.secho(f"{rows}, {1000 * (time.perf_counter() - began):.0f} ms", dim=True)
