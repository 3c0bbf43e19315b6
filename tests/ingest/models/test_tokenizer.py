"""Tokenising a text's beginning equals tokenising all of it; blocks tile a context."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import transformers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from saeatlas import errors
from saeatlas.ingest.models import tokenizer as tokens
from tests.support import tiny

PIECES = [
    *tiny.WORDS,
    *("<bos>", "<eos>", "é", "e\u0301", "日本", "\U0001f469\u200d\U0001f467", "\u200f"),
    *("\n\n", "    ", "aaaaaa", "0123", "!", "\0"),
]
TEXTS = st.lists(
    st.tuples(st.sampled_from(PIECES) | st.text(max_size=3), st.sampled_from(["", " "]))
    .map("".join)
    .flatmap(lambda piece: st.sampled_from([1, 1, 1, 2, 40]).map(lambda n: piece * n)),
    max_size=80,
).map("".join)


def unigram() -> tokenizers.Tokenizer:
    """As Llama's and T5's: words begin with a mark, the most likely pieces win."""
    inner = tokenizers.Tokenizer(models.Unigram())
    inner.normalizer = normalizers.NFKC()
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<unk>", "<bos>"], unk_token="<unk>", show_progress=False
    )
    inner.train_from_iterator([" ".join(tiny.WORDS) + " aaaa 0123 日本 é"] * 5, trainer)
    return inner


def _wordpiece() -> tokenizers.Tokenizer:
    """As BERT's: lower case, accents stripped, what is unknown is one token."""
    inner = tokenizers.Tokenizer(models.WordPiece(unk_token="<unk>"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=120, special_tokens=["<unk>"], show_progress=False
    )
    inner.train_from_iterator([" ".join(tiny.WORDS)] * 5, trainer)
    return inner


@pytest.fixture(scope="module", params=["bpe", "unigram", "wordpiece"])
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tokens.Tokenizer:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "bpe":
        tiny.make_tokenizer(folder)
        return tokens.load_tokenizer(str(folder))
    made = unigram() if request.param == "unigram" else _wordpiece()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    return tokens.Tokenizer(request.param, fast)


@pytest.fixture(scope="module")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> tokens.Tokenizer:
    folder = tmp_path_factory.mktemp("bpe")
    tiny.make_tokenizer(folder)
    return tokens.load_tokenizer(str(folder))


def _whole(tokenizer: tokens.Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.inner(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


@pytest.mark.slow
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(TEXTS, max_size=4), context=st.integers(1, 30))
@example(texts=["\n" * 100 + "the" * 100], context=1)  # a word's end decides over its beginning
@example(texts=["the " * 100 + "a" * 300, " " * 400 + "of"], context=30)
def test_the_beginning_equals_all_of_it_cut(
    tokenizer: tokens.Tokenizer, texts: list[str], context: int
) -> None:
    rows = tokenizer.tokenize(texts, context=context, prepend_bos=False)
    assert [row.tolist() for row in rows] == [_whole(tokenizer, t)[:context] for t in texts]
    assert all(row.dtype == np.int32 for row in rows)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(TEXTS, max_size=4), context=st.integers(2, 30))
def test_one_bos_stands_before_a_text_that_has_tokens(
    bpe: tokens.Tokenizer, texts: list[str], context: int
) -> None:
    rows = bpe.tokenize(texts, context=context, prepend_bos=True)
    for text, row in zip(texts, rows, strict=True):
        whole = _whole(bpe, text)
        assert row.tolist() == ([bpe.bos(), *whole][:context] if whole else [])


def test_much_text_a_token_is_read_on(bpe: tokens.Tokenizer) -> None:
    text = "the" * 5 + "\0" * 3 + "日" * 5000
    (row,) = bpe.tokenize([text], context=3000, prepend_bos=False)
    assert row.tolist() == _whole(bpe, text)[:3000]
    marks = "<bos>" * 4000  # five characters a token, and special
    (row,) = bpe.tokenize([marks], context=1000, prepend_bos=True)
    assert row.tolist() == [bpe.bos()] * 1000


def test_long_documents_are_not_read_to_their_end(bpe: tokens.Tokenizer) -> None:
    read: list[int] = []
    inner = bpe.inner

    def counting(texts: list[str], **options: Any) -> Any:
        read.append(sum(map(len, texts)))
        return inner(texts, **options)

    counted = tokens.Tokenizer("bpe", inner)
    counted.inner = counting
    (row,) = counted.tokenize(["the of and " * 100_000], context=64, prepend_bos=False)
    assert len(row) == 64 and sum(read) < 10_000


def test_a_tokenizer_without_bos_serves_those_who_want_none() -> None:
    plain = tokens.Tokenizer(
        "words", transformers.PreTrainedTokenizerFast(tokenizer_object=_wordpiece())
    )
    with pytest.raises(errors.ModelMismatch, match="tokenizer of words has no BOS"):
        plain.tokenize(["the"], context=8, prepend_bos=True)
    (row,) = plain.tokenize(["the of"], context=8, prepend_bos=False)
    assert row.tolist() == _whole(plain, "the of")
    assert plain.special_ids == frozenset()


def test_text_comes_back(bpe: tokens.Tokenizer) -> None:
    text = "the of  and\n 日本 !"
    (row,) = bpe.tokenize([text], context=100, prepend_bos=False)
    assert bpe.decode(row) == text
    assert bpe.decode(row[:0]) == ""


def test_special_tokens_are_known(bpe: tokens.Tokenizer) -> None:
    (row,) = bpe.tokenize(["<bos>the<eos>"], context=100, prepend_bos=False)
    assert {int(row[0]), int(row[-1])} < bpe.special_ids
    assert not bpe.special_ids & set(row[1:-1].tolist())


def test_fingerprints_tell_tokenizers_apart(tmp_path: Path) -> None:
    tiny.make_tokenizer(tmp_path)
    first, again = tokens.load_tokenizer(str(tmp_path)), tokens.load_tokenizer(str(tmp_path))
    assert first.fingerprint == again.fingerprint
    again.inner.add_tokens(["new"])
    assert first.fingerprint != again.fingerprint


def test_a_folder_without_tokenizer(tmp_path: Path) -> None:
    for name in (str(tmp_path), "nobody/has-this"):
        with pytest.raises(errors.ModelMismatch, match=r"cannot be loaded(.|\n)*--model"):
            tokens.load_tokenizer(name)
    for damaged in ("{", '{"version": "1.0", "model": {"type": "new"}}', "\xff"):
        (tmp_path / "tokenizer.json").write_text(damaged, "latin-1")
        with pytest.raises(errors.ModelMismatch, match=r"cannot be loaded(.|\n)*--model"):
            tokens.load_tokenizer(str(tmp_path))


@given(
    n_tokens=st.integers(0, 300),
    bos=st.booleans(),
    block=st.integers(1, 80),
    least=st.integers(1, 90),
)
def test_blocks_tile_the_context(n_tokens: int, bos: bool, block: int, least: int) -> None:
    spans = tokens.split_into_blocks(n_tokens, bos=bos, block=block, min_tokens=least)
    covered = [i for a, b in spans for i in range(a, b)]
    assert covered == list(range(int(bos), int(bos) + len(covered)))  # in order, no gap, no overlap
    assert all(b - a == block for a, b in spans[:-1])
    assert all(min(least, block) <= b - a <= block for a, b in spans)
    left = n_tokens - int(bos) - len(covered)
    assert left < min(least, block)  # nothing is left that would make a block
    if least == 1:
        assert left <= 0


def test_blocks_of_the_paper() -> None:
    assert tokens.split_into_blocks(1024, bos=True, block=256, min_tokens=256) == [
        (1, 257),
        (257, 513),
        (513, 769),
    ]
    assert tokens.split_into_blocks(1024, bos=True, block=256, min_tokens=1)[-1] == (769, 1024)
    assert tokens.split_into_blocks(1, bos=True, block=4, min_tokens=1) == []
    assert tokens.split_into_blocks(0, bos=False, block=4, min_tokens=1) == []


def test_pieces_are_what_tokens_stand_for_within_a_text(tokenizer: tokens.Tokenizer) -> None:
    text = "the of with as the" * 2
    row = tokenizer.tokenize([text], context=100, prepend_bos=False)[0]
    pieces = [tokenizer.piece(int(token)) for token in row]
    assert "".join(pieces).removeprefix(" ") == text
    assert len(set(pieces)) > 3


def test_a_space_is_read_before_a_text_by_some(tokenizer: tokens.Tokenizer) -> None:
    texts = ["the", " the", "a", "a the"]
    bare, spaced, a, both = (
        row.tolist() for row in tokenizer.tokenize(texts, context=9, prepend_bos=False)
    )
    assert (bare if tokenizer.adds_space else spaced) == both[len(a) :]
    assert tokenizer.adds_space == (tokenizer.name in ("unigram", "wordpiece"))


def test_whether_there_is_bos_and_how_many_tokens(bpe: tokens.Tokenizer) -> None:
    assert bpe.has_bos and len(bpe) == len(bpe.inner.get_vocab())
    bare = transformers.PreTrainedTokenizerFast(tokenizer_object=unigram(), unk_token="<unk>")
    assert not tokens.Tokenizer("bare", bare).has_bos
