"""Draw docs/demo.svg: the answer to one of the demo's questions as bars.

Run after `make demo`: python docs/picture.py
"""

from html import escape
from pathlib import Path

import pandas as pd

from saeatlas.catalog import sql
from saeatlas.demo import tour
from saeatlas.schema.database import connect

PICTURED = "belongs to which type"
WIDTH, ROW, LEFT, BAR = 730, 26, 250, 380
HERE, ELSEWHERE, INK = "#2f6f9f", "#c3ccd3", "#222"

_TEXT = '<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{ink}">{text}</text>'
_RECT = '<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" fill="{fill}"/>'


def text(x: int, y: int, words: str, anchor: str = "start") -> str:
    """Write words at a place."""
    return _TEXT.format(x=x, y=y, anchor=anchor, ink=INK, text=escape(words))


def bars(y: int, row: pd.Series) -> list[str]:
    """Draw one type of document: its feature here, and elsewhere."""
    here, elsewhere = float(row.share_here), float(row.share_elsewhere)
    return [
        text(LEFT - 10, y + 14, f"{row.subset}, feature {row.feature}", "end"),
        _RECT.format(x=LEFT, y=y, width=BAR * here, height=12, fill=HERE),
        _RECT.format(x=LEFT, y=y + 13, width=BAR * elsewhere, height=6, fill=ELSEWHERE),
        text(LEFT + BAR + 10, y + 14, f"{here:.0%}  /  {elsewhere:.0%}"),
    ]


def draw(title: str, answer: pd.DataFrame) -> str:
    """Return the picture."""
    parts = [
        text(14, 28, title),
        _RECT.format(x=LEFT, y=44, width=12, height=12, fill=HERE),
        text(LEFT + 18, 55, "share of its blocks in which the feature is active"),
        _RECT.format(x=LEFT, y=64, width=12, height=6, fill=ELSEWHERE),
        text(LEFT + 18, 72, "share of all other blocks"),
    ]
    for i, row in enumerate(answer.itertuples(index=False)):
        parts += bars(90 + i * ROW, row)
    height = 100 + len(answer) * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>' + "\n".join(parts) + "</svg>\n"
    )


def main() -> None:
    """Ask the question and write the picture."""
    question = next(q for q in tour.questions() if PICTURED in q.title)
    answer = sql.read_sql(connect.open_catalog(), question.sql)
    path = Path(__file__).with_name("demo.svg")
    path.write_text(draw(question.title, answer), encoding="utf-8")


if __name__ == "__main__":
    main()
