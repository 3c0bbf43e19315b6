"""Carets stand under the place, also in a line that is too long to show."""

from hypothesis import given
from hypothesis import strategies as st

from saeatlas.catalog.carets import AFTER, BEFORE, caret
from saeatlas.messages import printable

_LINE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=900)


@given(line=_LINE, data=st.data())
def test_the_place_is_shown_whatever_the_length(line: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line) - 1))
    end = data.draw(st.integers(start + 1, len(line)))
    shown, marks = caret(f"first\n{line}\nlast", 6 + start, 6 + end).split("\n")
    at = marks.index("^")
    assert set(marks) == {" ", "^"} or set(marks) == {"^"}
    marked = shown[at : at + marks.count("^")]
    assert marked == line[start : start + len(marked)] and len(marked) >= min(end - start, AFTER)
    assert shown.strip(". ") in f"{line} ..." or shown in line
    both = f"{shown}\n{marks}"
    assert len(shown) <= BEFORE + AFTER + 8 and printable(both) == both


@given(st.text(min_size=1, max_size=400), st.data())
def test_two_lines_of_any_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    lines = caret(text, start).split("\n")
    assert len(lines) == 2 and lines[1].strip("\t ").strip("^") == ""


def test_a_short_line_is_shown_whole() -> None:
    assert caret("features wher density", 9, 13) == "features wher density\n         ^^^^"
