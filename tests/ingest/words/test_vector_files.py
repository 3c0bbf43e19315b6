"""Files of ready word vectors: what is written in any form is read back; what is broken is said."""

import gzip
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.ingest.words import frequencies, vector_files, vector_formats, words
from tests.ingest.words.test_words import stored, write
from tests.support.commands import run_command

Array = np.ndarray[Any, Any]

VOCABULARY = ["</s>", "the", "New_York", "Paris", "paris", "1999", "Wien", "日本", "2"]
VECTORS = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)


def text(path: Path, vocabulary: list[str] = VOCABULARY, vectors: Array = VECTORS) -> Path:
    """As word2vec writes it, with a space at the end of each line."""
    rows = [
        f"{w} {' '.join(map(repr, v))} " for w, v in zip(vocabulary, vectors.tolist(), strict=True)
    ]
    path.write_text("\n".join([f"{len(vectors)} {vectors.shape[1]}", *rows]) + "\n")
    return path


def glove(path: Path, vocabulary: list[str] = VOCABULARY, vectors: Array = VECTORS) -> Path:
    rows = [
        f"{w} {' '.join(map(repr, v))}" for w, v in zip(vocabulary, vectors.tolist(), strict=True)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def binary(
    path: Path, vocabulary: list[str] = VOCABULARY, vectors: Array = VECTORS, end: bytes = b"\n"
) -> Path:
    rows = [
        w.encode() + b" " + v.astype("<f4").tobytes()
        for w, v in zip(vocabulary, vectors, strict=True)
    ]
    head = f"{len(vectors)} {vectors.shape[1]}\n".encode()
    path.write_bytes(head + b"".join(row + end for row in rows))
    return path


def npz(path: Path, vocabulary: list[str] = VOCABULARY, vectors: Array = VECTORS) -> Path:
    path = path.with_suffix(".npz")
    np.savez(path, words=np.array(vocabulary), vectors=vectors)
    return path


FORMS: dict[str, Callable[..., Path]] = {
    "word2vec text": text,
    "text": glove,
    "word2vec binary": binary,
    "npz": npz,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_vectors_that_it_was_written_from(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path / "vectors")
    found = vector_files.read_vectors(path, ["Paris", "New York", "日本", "1999", "2", "nowhere"])
    assert (found.form, found.n, found.d) == (form, 9, 5)
    assert found.vectors.keys() == {"Paris", "New York", "日本", "1999", "2"}
    for word, place in (("Paris", 3), ("New York", 2), ("日本", 7), ("1999", 5), ("2", 8)):
        assert found.vectors[word].dtype == np.float32
        assert (found.vectors[word] == VECTORS[place]).all()
        if form != "npz":
            assert found.log_frequencies[word] == pytest.approx(-np.log(place + 1))
    assert form != "npz" or not found.log_frequencies


@given(
    seed=st.integers(0, 2**32 - 1),
    vocabulary=st.lists(
        st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=6),
        min_size=1,
        max_size=12,
        unique=True,
    ),
    d=st.integers(1, 7),
    chunk=st.integers(200, 600),
    form=st.sampled_from(["word2vec binary", "word2vec text", "npz"]),
    end=st.sampled_from([b"", b"\n"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_words_and_numbers_come_back(
    tmp_path: Path, seed: int, vocabulary: list[str], d: int, chunk: int, form: str, end: bytes
) -> None:
    random = np.random.default_rng(seed)
    shape = len(vocabulary), d
    vectors = (random.normal(size=shape) * 10 ** random.uniform(-44, 14, shape)).astype(np.float32)
    vectors[:, 0] = random.uniform(1, 2, len(vectors))  # lengths that have a cosine
    path = tmp_path / "vectors"
    if form == "word2vec binary":
        path = binary(path, vocabulary, vectors, end)
    else:
        path = FORMS[form](path, vocabulary, vectors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_formats, "CHUNK", chunk)
        found = vector_files.read_vectors(path, vocabulary)
    assert found.form == form
    for word, vector in zip(vocabulary, vectors, strict=True):
        assert (found.vectors[word] == vector).all()


def test_a_gzipped_file_is_read_as_it_is(tmp_path: Path) -> None:
    for name in ("word2vec binary", "text"):
        plain = FORMS[name](tmp_path / "plain")
        packed = tmp_path / "packed.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert (vector_files.read_vectors(packed, ["Wien"]).vectors["Wien"] == VECTORS[6]).all()
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(errors.BadWords, match="is cut off"):
        vector_files.read_vectors(packed, ["Wien"])


def test_small_letters_stand_for_capitals_only_where_there_are_none(tmp_path: Path) -> None:
    small = ["new_york", "paris", "us"]
    for form in FORMS.values():
        cased = vector_files.read_vectors(form(tmp_path / "cased"), ["THE", "Paris"])
        assert cased.vectors.keys() == {"Paris"}
        found = vector_files.read_vectors(
            form(tmp_path / "small", small, VECTORS[:3]), ["New York", "PARIS", "US", "us"]
        )
        assert (found.vectors["New York"] == VECTORS[0]).all()
        assert (found.vectors["US"] == found.vectors["us"]).all()


def test_capitals_of_any_script_count(tmp_path: Path) -> None:
    path = glove(tmp_path / "v.txt", ["Москва", "париж"], VECTORS[:2])
    assert vector_files.read_vectors(path, ["Париж", "Москва"]).vectors.keys() == {"Москва"}


def test_of_a_word_that_stands_there_twice_the_first_counts(tmp_path: Path) -> None:
    for form in FORMS.values():
        found = vector_files.read_vectors(
            form(tmp_path / "two", ["a", "b", "a"], VECTORS[:3]), ["a"]
        )
        assert (found.vectors["a"] == VECTORS[0]).all()


def test_words_with_spaces_and_other_white_space(tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_text("the 1 2\n. . . 3 4\nat name@domain.com 5 6\n\nParis\t7\t8\r\n1999\t9\t10\n")
    found = vector_files.read_vectors(path, ["the", ". . .", "Paris", "1999"])
    assert {word: v.tolist() for word, v in found.vectors.items()} == {
        "the": [1, 2], ". . .": [3, 4], "Paris": [7, 8], "1999": [9, 10],
    }  # fmt: skip


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no file of word vectors"),
    "prose": (b"It was the best of times\nIt was the worst\n", "no file of word vectors"),
    "zip": (b"PK\x03\x04" + bytes(100), "no file of word vectors"),
    "ragged": (b"a 1 2\nb 1 2 3\n", "line 2: 3 numbers, not 2"),
    "short": (b"2 3\na 1 2 3\nb 1 2\n", "line 3: 2 numbers, not 3"),
    "wrong width": (b"2 4\na 1 2 3\nb 1 2 3\n", "line 2: 3 numbers, not 4"),
    "too few rows": (b"3 2\na 1 2\nb 1 2\n", "has 2 words; its first line says 3"),
    "too many rows": (b"1 2\na 1 2\nb 1 2\n", "has 2 words; its first line says 1"),
    "no number": (b"a 1 2\nb 1 x\n", "vector of 'b' is not numbers only"),
    "nan": (b"a 1 2\nb 1 nan\n", "vector of 'b' has NaN or infinity"),
    "too large": (b"a 1 2\nb 1 1e39\n", "vector of 'b' has NaN or infinity"),
    "no width": (b"2 0\na\nb\n", "says that its vectors have 0 dimensions"),
    "too wide": (b"2 16001\na 1\n", "16,001 dimensions"),
    "cut": (b"2 2\na " + bytes(8) + b"\nb " + bytes(5), "goes wrong, at word 2 of 2"),
    "cut in a word": (b"2 2\na " + bytes(8) + b"\nbbbb", "goes wrong, at word 2 of 2"),
    "wrong count": (b"3 2\na " + bytes(8) + b"\nb " + bytes(8) + b"\n", "at word 3 of 3"),
    "goes on": (b"1 2\na " + bytes(8) + b"\nb " + bytes(8) + b"\n", "goes on after the 1 words"),
    "binary inf": (b"1 1\nb " + struct.pack("<f", np.inf), "'b' has NaN or infinity"),
    "no words": (b"5 2\n" + bytes(5000), "goes wrong, at word 1 of 5"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    path = tmp_path / "broken.bin"
    path.write_bytes(content)
    with pytest.raises(errors.BadWords, match=message):
        vector_files.read_vectors(path, ["a", "b"])


@pytest.mark.parametrize("number", ["1_0", "0x10", "\u0661", "1,5", "+-1", "1e"])
@pytest.mark.parametrize("head", ["", "2 2\n"])
def test_numbers_that_only_a_program_would_take(tmp_path: Path, number: str, head: str) -> None:
    path = tmp_path / "some.txt"
    path.write_text(f"{head}a 1 2\nb 1 {number}\n")
    with pytest.raises(errors.BadWords, match="the vector of 'b' is not numbers only"):
        vector_files.read_vectors(path, ["b"])


def test_only_vectors_that_are_wanted_must_be_numbers(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("a 1 2\nb 1 nan\n")
    assert vector_files.read_vectors(path, ["a"]).vectors["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"words": np.array(["a"])}, "lacks vectors"),
        ({"words": np.array(["a"], object), "vectors": np.ones((1, 2))}, "could run any program"),
        ({"words": np.array(["a", "b"]), "vectors": np.ones((1, 2))}, r"shape \(2,\)"),
        ({"words": np.array([1]), "vectors": np.ones((1, 2))}, "type int64"),
        ({"words": np.array(["a"]), "vectors": np.ones(2)}, r"vectors of shape \(2,\)"),
        ({"words": np.array(["a"]), "vectors": np.array([["1"]])}, "type <U1"),
        ({"words": np.array(["a"]), "vectors": np.array([[np.nan]])}, "'a' has NaN"),
        ({"words": np.array(["a"]), "vectors": np.empty((1, 0))}, "0 dimensions"),
    ],
)
def test_npz_without_such_arrays_is_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(errors.BadWords, match=message):
        vector_files.read_vectors(tmp_path / "bad.npz", ["a"])


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(errors.BadWords, match="There is no file"):
        vector_files.read_vectors(tmp_path / "none.bin", ["a"])
    damaged = npz(tmp_path / "damaged")
    content = bytearray(damaged.read_bytes())
    with zipfile.ZipFile(damaged) as file:
        at = file.getinfo("vectors.npy").header_offset + 200
    content[at] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(errors.BadWords, match="cannot be read"):
        vector_files.read_vectors(damaged, ["the"])
    damaged.write_bytes(b"PK")
    with pytest.raises(errors.BadWords, match="cannot be read"):
        vector_files.read_vectors(damaged, ["the"])


@pytest.mark.parametrize("content", [
        "the,3\nus,2\n", "word,n\nthe,3\nus,2\n", "the\t3\nus\t2\n", "the;3\nus;2\n",
        "\ufeffword;n\nthe; 3\nus;2.0 \n", "word, count\nthe, 3\nus, .2e1\n",
    ],
)  # fmt: skip
def test_frequencies_as_csv_and_tsv(tmp_path: Path, content: str) -> None:
    path = tmp_path / "counts"
    path.write_text(content)
    found = frequencies.read_frequencies(path, ["the", "US", "nowhere"])
    assert found == {"the": pytest.approx(np.log(3)), "US": pytest.approx(np.log(2))}
    path.write_text("The,3\nus,2\n")
    with pytest.raises(errors.BadWords, match="none of the 2 words"):
        frequencies.read_frequencies(path, ["the", "US"])


def test_a_semicolon_is_a_word_too(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_text(";,9\nthe,3\n")
    assert frequencies.read_frequencies(path, [";", "the"]).keys() == {";", "the"}


def test_a_quotation_mark_is_a_word_in_tsv_and_quotes_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_text('"\t9\nthe\t3\n')
    assert frequencies.read_frequencies(path, ['"', "the"]).keys() == {'"', "the"}
    path.write_text('"1,000",9\nthe,3\n')
    assert frequencies.read_frequencies(path, ["1,000"]) == {"1,000": pytest.approx(np.log(9))}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"the,3\nof\n", r"line 2: \['of'\] is not a word and a count"),
        (b"the,3\nof,-1\n", "line 2"),
        (b"the,3\nof,nan\n", "line 2"),
        (b"the,3\nof,1_0\n", "line 2"),
        (b"the,3\nof,0x10\n", "line 2"),
        ("the,3\nof,\u0661\u0662\n".encode(), "line 2"),
        (b"the,3\nof,1e999\n", "line 2"),
        (b"the,1_000\nof,1\n", "line 1"),
        (b"the,0x10\nof,1\n", "line 1"),
        (b"the, -3\nof,1\n", "line 1"),
        (b"the,inf\nof,1\n", "line 1"),
        (b'the,"1,000"\nof,1\n', "line 1"),
        ("the;\u0663\nof;1\n".encode(), "line 1"),
        (b"the\nof,1\n", "line 1"),
        (b"the;1,5\nof;2,5\n", "line 1: .'the', '1,5'"),
        (b"word;count\nthe;1.000,5\n", "line 2: .'the', '1.000,5'"),
        (b"the,3\nof,1\nthe,2\n", "line 3: 'the' was there before"),
        (b"", "counts none of the 2 words"),
        (b"word,count\n", "counts none of the 2 words"),
        (b"le,3\nde,4\n", "counts none of the 2 words"),
        (b"the,3\n\xff,2\n", "is not UTF-8"),
    ],
)
def test_broken_frequencies_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "counts.csv"
    path.write_bytes(content)
    with pytest.raises(errors.BadWords, match=message):
        frequencies.read_frequencies(path, ["the", "of"])
    with pytest.raises(errors.BadWords, match="There is no file"):
        frequencies.read_frequencies(tmp_path / "none.csv", ["the"])


PAIRS = [("Paris", "the"), ("New York", "Wien"), ("Paris", "Tokyo"), ("Wien", "Wien")]


@pytest.mark.parametrize("form", FORMS)
def test_ready_vectors_in_the_catalog(engine: sa.Engine, tmp_path: Path, form: str) -> None:
    pairs = write(tmp_path / "pairs.json", PAIRS)
    path = FORMS[form](tmp_path / "vectors")
    said = words.ingest_file_words(engine, [pairs], path, name="mine").summary
    assert "Words 1  mine  4 words of 5 dimensions: 4 added" in said
    assert "1 of 5 words are not in " in said and ": Tokyo." in said
    assert "3 of 4 pairs have both words." in said
    known = stored(engine)
    assert known.keys() == {"Paris", "the", "New York", "Wien"}
    paris = known["Paris"]
    assert (paris["vector"] == VECTORS[3]).all()
    assert [paris[name] for name in ("model", "layer", "site", "n_tokens", "last_token")] == 5 * [
        None
    ]
    assert (paris["n_characters"], paris["last_token_length"]) == (5, None)
    expected = None if form == "npz" else pytest.approx(-np.log(4))
    assert paris["log_frequency"] == expected
    again = words.ingest_file_words(engine, [pairs], path, name="mine").summary
    assert again.count("already there, unchanged") == 2
    more = write(tmp_path / "more.json", [("1999", "2"), ("Paris", "2")])
    said = words.ingest_file_words(engine, [more], path, name="mine").summary
    assert "6 words of 5 dimensions: 2 added" in said


@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("form", FORMS)
def test_lengths_that_have_no_cosine_are_refused(tmp_path: Path, form: str, scale: float) -> None:
    vectors = VECTORS.copy()
    vectors[1] *= np.float32(scale)
    path = FORMS[form](tmp_path / "vectors", vectors=vectors)
    with pytest.raises(errors.BadWords, match="the vector of 'the' has length"):
        vector_files.read_vectors(path, ["the"])
    assert vector_files.read_vectors(path, ["1999"]).vectors.keys() == {"1999"}


def test_other_vectors_under_the_same_name_are_refused(engine: sa.Engine, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.json", PAIRS)
    words.ingest_file_words(engine, [pairs], text(tmp_path / "v.txt"))
    with pytest.raises(errors.NameTaken, match=r"differ in sha256(.|\n)*remove words v.txt"):
        words.ingest_file_words(engine, [pairs], text(tmp_path / "v.txt", vectors=-VECTORS))
    counts = tmp_path / "counts.csv"
    counts.write_text("the,7\n")
    said = words.ingest_file_words(
        engine, [], text(tmp_path / "v.txt"), name="counted", frequency_file=counts
    ).summary  # fmt: skip
    assert "3 of 4 words are not in counts.csv" in said
    logs = {word: row["log_frequency"] for word, row in stored(engine, 2).items()}
    assert logs == {"the": pytest.approx(np.log(7)), "Paris": None, "New York": None, "Wien": None}


def test_a_file_without_a_whole_pair_is_refused(engine: sa.Engine, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.json", [("Paris", "Tokyo"), ("Kyoto", "the")])
    with pytest.raises(
        errors.BadWords, match=r"has both words of no pair: 2 of 4(.|\n)*Kyoto, Tokyo"
    ):
        words.ingest_file_words(engine, [pairs], text(tmp_path / "v.txt"))
    with engine.connect() as connection:
        assert not connection.exec_driver_sql("select * from atlas.relation").all()


def test_ready_vectors_from_the_command_line(engine: sa.Engine, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs.json", PAIRS)
    path = binary(tmp_path / "v.bin")
    printed = run_command(["ingest", "words", str(pairs), "--vectors", str(path)])
    assert "Words 1  v.bin  4 words of 5 dimensions" in printed
    assert stored(engine)["the"]["name"] == "v.bin"
