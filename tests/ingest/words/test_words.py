"""Words as models read them, compared with transformers' own hidden states."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
import transformers
from click.testing import CliRunner
from tokenizers import decoders, normalizers

from saeatlas import errors
from saeatlas.cli import cli
from saeatlas.ingest.models import families, files, hooked_model
from saeatlas.ingest.words import model_vectors, relations, words
from saeatlas.ingest.words.model_vectors import Params
from saeatlas.schema.rows import remove, word_vectors
from tests.ingest.models.test_tokenizer import unigram
from tests.support import tiny
from tests.support.commands import run_command

pytestmark = pytest.mark.slow

PAIRS = [
    ("the", "of"),
    ("Andorra la Vella", "with"),
    ("was", "was"),
    ("Ürümqi", "日本"),
    ("his", "he"),
    ("the", "but"),
    ("a", "an unusually long answer of several words (AFN)"),
]
LAST = 3  # the families' tiny models have four layers


def write(path: Path, pairs: Sequence[tuple[str, str]]) -> Path:
    path.write_text(json.dumps([{"input": a, "output": b} for a, b in pairs]))
    return path


@pytest.fixture(scope="module", params=["gemma2", "gpt2", "gpt_neox", "llama"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_model(tmp_path_factory.mktemp("gemma"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write(tmp_path / "pairs.json", PAIRS)


def ingest(engine: sa.Engine, paths: list[Path], model: Path, *, name: str | None = None,
           frequency_file: Path | None = None, **params: Any) -> str:  # fmt: skip
    params = {"layers": [1], "device": "cpu"} | params
    done = words.ingest_model_words(
        engine, paths, Params(str(model), **params), name=name, frequency_file=frequency_file
    )
    return done.summary


def stored(engine: sa.Engine, space: int = 1) -> dict[str, dict[str, Any]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"select * from atlas.words where space = {space}")
        return {
            row["word"]: dict(row) | {"vector": np.array(json.loads(row["vector"]), np.float32)}
            for row in rows.mappings()
        }


def _all_words() -> set[str]:
    return {word for pair in PAIRS for word in pair}


def _ids(folder: Path, word: str) -> torch.Tensor:
    """A word by itself, after a space and BOS."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    row = tokenizer(" " + word, add_special_tokens=False)["input_ids"]
    return torch.tensor([[tokenizer.bos_token_id, *row]])


def _states(folder: Path, word: str) -> list[np.ndarray[Any, Any]]:
    """The whole model's hidden states at the word's last token."""
    full = transformers.AutoModel.from_pretrained(folder)
    with torch.inference_mode():
        states = full(_ids(folder, word), output_hidden_states=True).hidden_states
    return [state[0, -1].numpy() for state in states]


def _close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=2e-5)


def test_vectors_are_the_hidden_states(engine: sa.Engine, family: Path, pairs: Path) -> None:
    ingest(engine, [pairs], family, layers=[0, 2, LAST])
    first, middle, last = (stored(engine, number) for number in (1, 2, 3))
    assert set(first) == _all_words()
    full = transformers.AutoModel.from_pretrained(family)
    norm = full.get_submodule(families.FAMILIES[full.config.model_type].norm)
    for word in _all_words():  # each by itself: batches change nothing
        states = _states(family, word)
        _close(first[word]["vector"], states[1])
        _close(middle[word]["vector"], states[3])
        with torch.inference_mode():  # transformers' last state is the one after the final norm
            normed = norm(torch.from_numpy(last[word]["vector"]))
        np.testing.assert_allclose(normed, states[LAST + 1], atol=1e-4, rtol=1e-4)
        assert first[word]["model"] == str(family)
        assert (first[word]["layer"], first[word]["site"]) == (0, "resid_post")


def test_before_a_layer_the_vectors_are_those_of_the_paper(
    engine: sa.Engine, model: Path, pairs: Path
) -> None:
    said = ingest(engine, [pairs], model, layers=[0, 2], site="resid_pre")
    assert f"{model.name}/2/resid_pre" in said
    embedded, second = stored(engine, 1), stored(engine, 2)
    for word in _all_words():
        states = _states(model, word)
        _close(embedded[word]["vector"], states[0])
        _close(second[word]["vector"], states[2])


def test_vectors_are_the_inputs_of_saes(engine: sa.Engine, model: Path, pairs: Path) -> None:
    ingest(engine, [pairs], model, layers=[1])
    hooked = hooked_model.open_model(str(model), ["blocks.1.hook_resid_post"], device="cpu")
    for word, row in stored(engine).items():
        ids = _ids(model, word)
        acts = hooked(ids, torch.ones_like(ids))["blocks.1.hook_resid_post"]
        _close(row["vector"], acts[0, -1])


def test_words_one_by_one_equal_words_together(
    engine: sa.Engine, model: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(engine, [pairs], model)
    monkeypatch.setattr(model_vectors, "TOKENS", 1)
    ingest(engine, [pairs], model, name="alone")
    together, alone = stored(engine, 1), stored(engine, 2)
    assert together.keys() == alone.keys() == _all_words()
    for word, row in together.items():
        _close(row["vector"], alone[word]["vector"])
        assert {k: v for k, v in row.items() if k not in ("vector", "space", "name")} == {
            k: v for k, v in alone[word].items() if k not in ("vector", "space", "name")
        }


def test_what_is_measured_of_a_word(engine: sa.Engine, model: Path, pairs: Path) -> None:
    ingest(engine, [pairs], model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    for word, row in stored(engine).items():
        ids = tokenizer(" " + word, add_special_tokens=False)["input_ids"]
        assert row["n_characters"] == len(word)
        assert row["n_tokens"] == len(ids)
        assert row["last_token"] == tokenizer.decode(ids[-1:])
        assert row["last_token_length"] == len(row["last_token"].removeprefix(" "))
        assert row["log_frequency"] is None
    known = stored(engine)
    assert (known["with"]["last_token"], known["with"]["last_token_length"]) == (" with", 4)
    assert known["an unusually long answer of several words (AFN)"]["last_token"] == ")"


def test_a_tokenizer_without_bos_gets_none(engine: sa.Engine, tmp_path: Path, pairs: Path) -> None:
    model = tiny.make_model(tmp_path / "model")
    config = json.loads((model / "tokenizer_config.json").read_text())
    del config["bos_token"]
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    ingest(engine, [pairs], model)
    full = transformers.AutoModel.from_pretrained(model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    for word, row in stored(engine).items():
        ids = torch.tensor([tokenizer(" " + word)["input_ids"]])
        with torch.inference_mode():
            states = full(ids, output_hidden_states=True).hidden_states
        _close(row["vector"], states[2][0, -1])
        assert row["n_tokens"] == ids.shape[1]
    with engine.connect() as connection:
        facts = connection.exec_driver_sql("select facts from atlas.word_space").scalar_one()
    assert facts["bos"] is False


def test_a_tokenizer_that_adds_a_space_itself_gets_no_second(
    engine: sa.Engine, tmp_path: Path, pairs: Path
) -> None:
    model = tiny.make_model(tmp_path / "model")
    inner = unigram()  # and now as Llama 2's, which puts a second mark before a space
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    inner.pre_tokenizer = None
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<bos>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(model)
    ingest(engine, [pairs], model)
    for word, row in stored(engine).items():
        ids = inner.encode(word, add_special_tokens=False).ids
        assert row["n_tokens"] == len(ids)
        assert row["last_token"].replace(" ", "▁") == inner.id_to_token(ids[-1])


def test_the_same_again_changes_nothing_and_loads_no_weights(
    engine: sa.Engine, model: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ingest(engine, [pairs], model)
    n = len(_all_words())
    assert "7 pairs, 1 with input equal to output, 1 with an input that an earlier one has: " \
        "ingested" in said  # fmt: skip
    assert f"Words 1  {model.name}/1/resid_post  {n} words of 24 dimensions: {n} added" in said
    before = stored(engine)
    monkeypatch.setattr(hooked_model, "open_model", None)
    said = ingest(engine, [pairs], model)
    assert said.count("already there, unchanged") == 2
    after = stored(engine)
    assert before.keys() == after.keys()
    assert all((before[w]["vector"] == after[w]["vector"]).all() for w in before)


def test_more_relations_add_the_words_that_are_missing(
    engine: sa.Engine, model: Path, pairs: Path, tmp_path: Path
) -> None:
    more = write(tmp_path / "more.json", [("the", "not"), ("by", "of")])
    ingest(engine, [pairs], model)
    said = ingest(engine, [more], model)
    assert ": 2 added" in said
    assert stored(engine).keys() == _all_words() | {"not", "by"}
    # a new layer takes the words of the relations named, and without any those of all
    ingest(engine, [more], model, layers=[2])
    assert stored(engine, 2).keys() == {"the", "not", "by", "of"}
    said = ingest(engine, [], model, layers=[1, 2])
    assert "unchanged" in said and ": 10 added" in said
    assert stored(engine, 2).keys() == stored(engine, 1).keys()
    with engine.connect() as connection:
        assert connection.exec_driver_sql(
            "select n_words from atlas.word_spaces order by space"
        ).scalars().all() == [14, 14]  # fmt: skip


def test_a_name_holds_words_read_in_one_way(
    engine: sa.Engine, model: Path, pairs: Path, tmp_path: Path
) -> None:
    ingest(engine, [pairs], model, name="mine")
    other = tiny.make_model(tmp_path / "other", seed=1)
    with pytest.raises(errors.NameTaken, match=r"model_sha256(.|\n)*remove words mine/1/resid"):
        ingest(engine, [pairs], other, name="mine")
    with pytest.raises(errors.NameTaken, match="differ in dtype"):
        ingest(engine, [pairs], model, name="mine", dtype="bfloat16")
    counts = tmp_path / "counts.csv"
    counts.write_text("the,10\n")
    with pytest.raises(errors.NameTaken, match="differ in frequencies_sha256"):
        ingest(engine, [pairs], model, name="mine", frequency_file=counts)
    ingest(engine, [pairs], other)
    assert (stored(engine, 1)["the"]["vector"] != stored(engine, 2)["the"]["vector"]).any()


def test_frequencies_come_from_a_file(
    engine: sa.Engine, model: Path, pairs: Path, tmp_path: Path
) -> None:
    counts = tmp_path / "counts.tsv"
    counts.write_text("word\tcount\nthe\t1000\nof\t500.5\nurumqi\t3\nandorra_la_vella\t2\n")
    said = ingest(engine, [pairs], model, frequency_file=counts)
    assert "9 of 12 words are not in counts.tsv" in said
    known = stored(engine)
    assert known["the"]["log_frequency"] == pytest.approx(np.log(1000))
    assert known["of"]["log_frequency"] == pytest.approx(np.log(500.5))
    assert known["Andorra la Vella"]["log_frequency"] == pytest.approx(np.log(2))
    assert known["Ürümqi"]["log_frequency"] is None


def test_a_failure_leaves_nothing_behind(
    engine: sa.Engine, model: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = write(tmp_path / "long.json", [("the", "x" * 400)])
    with pytest.raises(errors.BadWords, match=r"'xxx.*128 tokens or more"):
        ingest(engine, [pairs, long], model)
    with pytest.raises(errors.ModelMismatch, match=r"no layer 3(.|\n)*0 to 2"):
        ingest(engine, [pairs], model, layers=[0, 3])
    run = hooked_model.HookedModel.run
    monkeypatch.setattr(
        hooked_model.HookedModel,
        "run",
        lambda self, rows: {hook: acts * np.nan for hook, acts in run(self, rows).items()},
    )
    with pytest.raises(errors.ModelMismatch, match="NaN or infinity at blocks.1"):
        ingest(engine, [pairs], model)
    with engine.connect() as connection:
        for table in ("relation", "word_pair", "word_space", "word_vector", "model"):
            count = connection.exec_driver_sql(f"select count(*) from atlas.{table}")
            assert count.scalar_one() == 0, table


def test_without_pairs_there_is_nothing_to_read(engine: sa.Engine, model: Path) -> None:
    with pytest.raises(errors.UnknownName, match=r"no word pairs(.|\n)*ingest words PAIRS.json"):
        ingest(engine, [], model)


def test_pairs_are_stored_as_they_are(engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(
        json.dumps(
            [
                {"output": "Afghani (AFN)", "input": "Afghanistan", "note": 1},
                {"input": "moderate", "output": "mäßig\n"},
                {"input": " moderate", "output": "mäßig"},
                {"input": "fly", "output": "fly"},
                {"input": "moderate", "output": "bescheiden"},
            ]
        )
    )
    read = relations.read_relation(path)
    assert (read.name, read.n_duplicates, read.n_same, read.n_repeated) == ("odd", 1, 1, 1)
    with engine.begin() as connection:
        assert relations.store_relation(connection, read).created
        again = relations.store_relation(connection, relations.read_relation(path))
        assert not again.created and "already there, unchanged" in again.summary
        rows = connection.exec_driver_sql("select * from atlas.word_pairs order by rank").all()
        counts = connection.exec_driver_sql(
            "select n_pairs, n_same, n_repeated, n_duplicates from atlas.relation"
        ).one()
    assert [tuple(row) for row in rows] == [
        ("odd", 1, "Afghanistan", "Afghani (AFN)", False),
        ("odd", 2, "moderate", "mäßig", False),
        ("odd", 3, "fly", "fly", True),
        ("odd", 4, "moderate", "bescheiden", False),
    ]
    assert tuple(counts) == (4, 1, 1, 1)


def test_other_pairs_under_the_same_name_are_refused(engine: sa.Engine, tmp_path: Path) -> None:
    first = relations.read_relation(write(tmp_path / "one.json", [("a", "b"), ("c", "d")]))
    other = relations.read_relation(write(tmp_path / "one.json", [("c", "d"), ("a", "b")]))
    with engine.begin() as connection:
        relations.store_relation(connection, first)
        with pytest.raises(errors.NameTaken, match="saeatlas remove relation one"):
            relations.store_relation(connection, other)
        remove.remove_relation(connection, "one")
        assert relations.store_relation(connection, other).created
        with pytest.raises(errors.UnknownName, match="Nearest: one"):
            remove.remove_relation(connection, "ones")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "an empty list"),
        ('{"input": "a", "output": "b"}', "It holds dict"),
        ('[["a", "b"]]', r"pair 1 has \['a', 'b'\] where its input"),
        ('[{"input": "a"}]', "pair 1 has no output"),
        ('[{"input": "a", "output": "b"}, {"input": 3, "output": "b"}]', "pair 2 has 3 where"),
        ('[{"input": "a", "output": null}]', "None where its output"),
        ('[{"input": "a", "output": " "}]', "output of pair 1 has 0 characters"),
        ('[{"input": "%s", "output": "b"}]' % ("a" * 501), "501 characters"),
        (r'[{"input": "a\u0000b", "output": "b"}]', "NUL"),
        (r'[{"input": "\ud800", "output": "b"}]', "surrogate"),
    ],
)
def test_files_that_are_not_pairs(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(errors.BadWords, match=message):
        relations.read_relation(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(errors.BadWords, match="There is no file"):
        relations.read_relation(tmp_path / "none.json")
    with pytest.raises(errors.BadWords, match="is a folder, not a file"):
        relations.read_relation(tmp_path)
    (tmp_path / "latin.json").write_bytes('[{"input": "ä", "output": "b"}]'.encode("latin-1"))
    with pytest.raises(errors.BadWords, match="byte 13 is not UTF-8"):
        relations.read_relation(tmp_path / "latin.json")


def test_removed_words_take_nothing_else_with_them(
    engine: sa.Engine, model: Path, pairs: Path
) -> None:
    ingest(engine, [pairs], model, layers=[0, 1])
    with engine.begin() as connection:
        row = remove.remove_words(connection, f"{model.name}/0/resid_post")
        assert row.id == 1
        assert [*word_vectors.read(connection, 2).relations] == ["pairs"]
        with pytest.raises(errors.UnknownName, match="no space of word vectors '1'"):
            word_vectors.read(connection, 1)
        remove.remove_words(connection, "2")
        count = connection.exec_driver_sql("select count(*) from atlas.word_vector").scalar_one()
        assert count == 0
        assert len(word_vectors.find_relations(connection, ["pairs"])) == 1


def test_from_the_command_line(engine: sa.Engine, model: Path, pairs: Path) -> None:
    command = ("ingest", "words", str(pairs), "--model", str(model), "--layers", "0-1")
    assert "12 added" in run_command(command)
    assert run_command(command).count("unchanged") == 3
    assert run_command("remove words 1") == f"Removed words 1  {model.name}/0/resid_post\n"
    assert run_command("remove relation pairs") == "Removed relation 1  pairs\n"
    for wrong in (["--model", "m"], ["--vectors", "v", "--layers", "1"], []):
        done = CliRunner().invoke(cli, ["ingest", "words", *wrong])
        assert done.exit_code == 2 and "--model and --layers, or --vectors" in done.output


def test_a_models_configuration_is_read_without_weights(model: Path) -> None:
    facts = files.model_facts(files.read_model_config(str(model)))
    assert facts == {"architecture": "gemma2", "n_layers": 3, "d_model": 24}
