"""Draw docs/demo.svg: the answer to one of the demo's questions as bars.

Run after `make demo`: python docs/picture.py
"""

from html import escape
from pathlib import Path

import pandas as pd

from saeatlas.catalog import sql
from saeatlas.demo import tour
from saeatlas.schema.database import connect

PICTURED = "share_here"
TITLE = "The feature of layer 3 that is most specific to each document type"
WIDTH, ROW, LEFT, BAR = 760, 30, 250, 400
HERE, ELSEWHERE, INK = "#1f5f8b", "#b9c4cc", "#222"

_TEXT = '<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{ink}"{more}>{text}</text>'
_RECT = '<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" fill="{fill}"/>'


def text(x: int, y: int, words: str, anchor: str = "start", more: str = "") -> str:
    """Write words at a place."""
    return _TEXT.format(x=x, y=y, anchor=anchor, ink=INK, more=more, text=escape(words))


def bars(y: int, row: pd.Series) -> list[str]:
    """Draw one type of document: its feature here, and elsewhere."""
    here, elsewhere = float(row.share_here), float(row.share_elsewhere)
    return [
        text(LEFT - 10, y + 15, f"{row.subset}, feature {row.feature}", "end"),
        _RECT.format(x=LEFT, y=y, width=BAR * here, height=13, fill=HERE),
        _RECT.format(x=LEFT, y=y + 14, width=BAR * elsewhere, height=7, fill=ELSEWHERE),
        text(LEFT + BAR + 10, y + 15, f"{here:.0%} vs {elsewhere:.0%}"),
    ]


def draw(answer: pd.DataFrame) -> str:
    """Return the picture."""
    parts = [
        text(14, 28, TITLE, more=' font-weight="bold" font-size="15"'),
        _RECT.format(x=LEFT, y=46, width=13, height=13, fill=HERE),
        text(LEFT + 20, 57, "share of the type's blocks in which the feature is active"),
        _RECT.format(x=LEFT, y=68, width=13, height=7, fill=ELSEWHERE),
        text(LEFT + 20, 76, "share of all other blocks in which it is active"),
    ]
    for i, row in enumerate(answer.itertuples(index=False)):
        parts += bars(96 + i * ROW, row)
    height = 106 + len(answer) * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>' + "\n".join(parts) + "</svg>\n"
    )


def main() -> None:
    """Ask the question and write the picture."""
    question = next(q for q in tour.questions() if PICTURED in q.sql)
    answer = sql.read_sql(connect.open_catalog(), question.sql)
    path = Path(__file__).with_name("demo.svg")
    path.write_text(draw(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
