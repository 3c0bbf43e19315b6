"""Draw docs/demo.svg: one of the demo's questions with its answer, as a terminal shows it.

Run after `make demo`: python docs/picture.py
"""

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

from saeatlas.catalog import sql
from saeatlas.demo import tour
from saeatlas.schema import connect

PICTURED = "belongs to which type"


def main() -> None:
    """Ask the question and write the picture."""
    question = next(q for q in tour.questions() if PICTURED in q.title)
    answer = sql.render(sql.read_sql(connect.open_catalog(), question.sql), "table")
    width = max(map(len, answer.splitlines())) + 2
    console = Console(record=True, file=io.StringIO(), width=max(width, len(question.title)))
    console.print(Text(question.title, style="bold"))
    console.print(Text(answer))
    # a fixed id, so that the same answer gives the same file
    picture = console.export_svg(title="saeatlas demo", unique_id="demo")
    Path(__file__).with_name("demo.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
