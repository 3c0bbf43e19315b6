"""The demo's documents come from whatever Python installation runs the tests."""

import itertools
from pathlib import Path

import pytest

from saeatlas.demo import arithmetic, texts


@pytest.fixture(scope="module")
def documents() -> list[texts.Document]:
    return list(texts.collect(12))


@pytest.mark.slow
def test_documents_are_the_same_each_time(documents: list[texts.Document]) -> None:
    assert list(texts.collect(12)) == documents


def test_a_larger_limit_keeps_the_documents_of_a_smaller_one(
    documents: list[texts.Document],
) -> None:
    more = [d["text"] for d in texts.collect(16)]
    kept = sum(d["text"] in more for d in documents)
    assert kept > 0.8 * len(documents)


@pytest.mark.slow
def test_at_least_six_subsets_are_found(documents: list[texts.Document]) -> None:
    subsets = {d["meta"]["pile_set_name"] for d in documents}
    assert {"Python", "Package descriptions", "Docstrings", "Arithmetic"} <= subsets
    assert len(subsets) >= 6


def test_no_subset_gives_more_than_asked_for(documents: list[texts.Document]) -> None:
    names = sorted(d["meta"]["pile_set_name"] for d in documents)
    assert all(len(list(group)) <= 12 for _, group in itertools.groupby(names))
    assert list(texts.collect(0)) == []


def test_texts_are_ones_that_a_database_can_store(documents: list[texts.Document]) -> None:
    for document in documents:
        text = document["text"]
        assert len(text.strip()) >= texts.MIN_CHARACTERS
        assert len(text) <= texts.MAX_CHARACTERS
        assert "\0" not in text
        assert text.encode("utf-8").decode("utf-8") == text
        assert not Path(document["meta"]["path"]).is_absolute()


def test_no_text_comes_twice(documents: list[texts.Document]) -> None:
    assert len({d["text"] for d in documents}) == len(documents)
    assert len({(d["meta"]["pile_set_name"], d["meta"]["path"]) for d in documents}) == len(
        documents
    )


def test_demo_and_training_share_no_file(documents: list[texts.Document]) -> None:
    training = texts.collect(30, held_out=False, pieces_per_file=8)
    files = {d["meta"]["path"].partition("#")[0] for d in training}
    assert files
    assert files.isdisjoint(d["meta"]["path"].partition("#")[0] for d in documents)


def test_a_long_file_is_cut_after_line_ends(tmp_path: Path) -> None:
    whole = "".join(f"line {i} with some more words in it\n" for i in range(2_000))
    pieces = list(texts.split_text(whole))
    assert "".join(pieces) == whole
    assert all(piece.endswith("\n") for piece in pieces)


def test_a_text_without_line_ends_is_cut_too() -> None:
    pieces = list(texts.split_text("é" * 20_001))
    assert [len(piece) for piece in pieces] == [8_000, 8_000, 4_001]


@pytest.mark.parametrize("content", [b"\xff\xfe" * 900, b"a\0" * 900, b"short"])
def test_files_that_are_no_documents_are_skipped(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.rst"
    path.write_bytes(content)
    assert texts.read_pieces(texts.Source("file.rst", lambda: texts.read_start(path)), 3) == []


def test_an_installation_without_packages_still_gives_documents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "installed_files", lambda: ())
    subsets = {d["meta"]["pile_set_name"] for d in texts.collect(2)}
    assert {"Python", "reStructuredText", "Arithmetic"} <= subsets
    assert "YAML" not in subsets


def test_worksheets_differ_by_seed_and_are_right() -> None:
    sheet = arithmetic.worksheet("a")
    assert sheet == arithmetic.worksheet("a")
    assert sheet != arithmetic.worksheet("b")
    lines = arithmetic.worksheet("check").splitlines() + sheet.splitlines()
    sums = [
        (question.removeprefix("Calculate ").removesuffix("."), answer)
        for question, answer in zip(lines[::2], lines[1::2], strict=True)
        if question.startswith("Calculate ")
    ]
    assert sums
    for question, answer in sums:
        left, sign, right = question.split()
        total = int(left) + (int(right) if sign == "+" else -int(right))
        assert total == int(answer)
