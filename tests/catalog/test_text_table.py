"""Tables for people fit their terminal; nothing is lost where a program reads."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from saeatlas.catalog import answers, query, status
from saeatlas.catalog.answers import Answer
from saeatlas.catalog.carets import width as columns_of
from saeatlas.catalog.text_table import ELLIPSIS, render, shortened, significant

pytestmark = pytest.mark.xdist_group("asked")

LONG = "gemma-scope-2b-pt-res-canonical/layer_20/width_16k/canonical"
NAMES = ("release", "layer", "cosine", "n_features", "found")
ROWS = [
    (LONG, 20, 0.123456789, 16384, datetime(2026, 1, 31, 12, 0, 1, 5, UTC)),
    ("日本語の名前がここに" * 5, 3, 1234.5678, 12, None),
    (None, None, Decimal("0.000012345"), None, None),
]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_and_loses_no_number(width: int) -> None:
    lines = render(NAMES, ROWS, width).splitlines()
    assert len(lines) == 4 and all(columns_of(line) <= width for line in lines)
    assert (
        (ELLIPSIS in lines[1]) == (width < 120)
        and lines[1].startswith("gemma")
        and {"0.123", "16384"} < {*lines[1].split()}
    )
    assert "1235" in lines[2].split() and "1.23e-05" in lines[3].split()
    assert "2026-01-31 12:00:01" in lines[1] or width == 60


def test_numbers_stand_at_the_right() -> None:
    assert render(("n", "word"), [(1, "a"), (100, "bcd")], 80) == "  n word\n  1 a\n100 bcd"
    assert render(("is", "n"), [(True, 5)], 80) == "is   n\nTrue 5"


def test_columns_without_room_stand_below_with_their_rows_numbered() -> None:
    names = [f"number_{i}" for i in range(12)]
    rows = [[1000 * i + j for j in range(12)] for i in range(11)]
    made = render(names, rows, 60)
    first, second = made.split("\n\n")
    assert all(columns_of(line) <= 60 for line in made.splitlines())
    assert first.splitlines()[-1].split()[:2] == ["11", "10000"]
    assert second.splitlines()[-1].split()[0] == "11"
    shown = [cell for part in (first, second) for cell in part.splitlines()[-1].split()[1:]]
    assert shown == [str(10_000 + j) for j in range(12)]


def test_piped_nothing_is_shortened() -> None:
    text = render(NAMES, ROWS, None)
    assert ELLIPSIS not in text and LONG in text and "0.123456789" in text
    assert "2026-01-31 12:00:01.000005+00:00" in text and "0.000012345" in text
    assert "x" * 20_000 in render(("x",), [("x" * 20_000,)], None)
    assert answers.render(Answer(NAMES, ROWS), "table") == text
    assert "0.123456789" in answers.render(Answer(NAMES, ROWS), "markdown", 60)
    assert "0.123456789" in answers.render(Answer(NAMES, ROWS), "csv", 60)


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.123456, "0.123"), (0.5, "0.5"), (12.345, "12.3"), (999.9, "1000"), (1234.56, "1235"),
        (1.5e9, "1.5e+09"), (-0.00012345, "-0.000123"), (0.0, "0"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_three_significant_digits(number: float, written: str) -> None:
    assert significant(number) == written


@pytest.mark.parametrize("width", [4, 5, 9, 30])
def test_the_middle_is_left_out(width: int) -> None:
    short = shortened("a beginning, a middle and an end", width)
    assert len(short) == width and short[0] == "a" and short[-1] == "d" and ELLIPSIS in short
    assert shortened("short", 5) == "short" and columns_of(shortened("日本語日本語", 5)) <= 5


@pytest.mark.parametrize("width", [60, 80, 120])
def test_status_and_every_kind_of_rows_fit(asked: sa.Engine, width: int) -> None:
    found = status.read_status(asked)
    parts = [found.saes, found.corpora, found.recordings, found.words, found.runs]
    for text in ("features near 12:4821", "spectra", "runs", "lobes by subset", "recordings"):
        parts.append(query.answer(asked, text, limit=5))
    for part in parts:
        made = answers.render(part, "table", width)
        assert max(map(columns_of, made.splitlines())) <= width, made


@pytest.mark.slow
def test_a_terminal_gets_its_width_and_a_pipe_everything(asked_url: str) -> None:
    code = "from saeatlas.cli import main; main()"
    words = [sys.executable, "-c", code, "sql", f"select '{LONG}' as a, 1/3::float8 as b, 2 as c"]
    environment = os.environ | {"SAEATLAS_DATABASE_URL": asked_url, "COLUMNS": "40"}
    piped = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert LONG in piped.stdout and "0.3333333333333333" in piped.stdout
    main, other = pty.openpty()
    subprocess.run(words, stdout=other, check=True, env=environment)
    os.close(other)
    shown = os.read(main, 10_000).decode().replace("\r", "")
    os.close(main)
    assert max(map(len, shown.splitlines())) == 40 and ELLIPSIS in shown and " 0.333 2" in shown
