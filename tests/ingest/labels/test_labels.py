"""Labels from Neuronpedia, Delphi and CSV, on a real server: what is stored, counted, refused."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.labels import LabelsOutcome, ingest_labels, open_labels
from saeatlas.schema import tables
from saeatlas.schema.rows.remove import remove_labels, remove_sae
from tests.test_cli import run

D_SAE = 2000
MODEL = "gemma-2-2b"
PAPER, CANONICAL = "12-gemmascope-res-16k__l0-41", "12-gemmascope-res-16k"
SAES = {"paper": f"{MODEL}/{PAPER}", "canonical": f"{MODEL}/{CANONICAL}", "local": None}


@pytest.fixture(autouse=True)
def saes(engine: sa.Engine) -> None:
    row = {"release": "r", "d_in": 4, "d_sae": D_SAE, "config": {}, "source": "nowhere"}
    with engine.begin() as connection:
        for name, page in SAES.items():
            own = {
                "sae_id": name,
                "neuronpedia_id": page,
                "weights_sha256": name.encode().ljust(32),
            }
            connection.execute(sa.insert(tables.sae).values(row | own))


def _stored(engine: sa.Engine, *columns: str) -> list[tuple[Any, ...]]:
    table = tables.label.c
    names = columns or ("sae", "feature", "source", "method", "text", "score", "url")
    query = sa.select(*(table[name] for name in names))
    order = (table.sae, table.feature, table.source, table.method, table.place)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(*order))]


def _words(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(sa.select(tables.label_word.c.word)).scalars())


def _counts(done: LabelsOutcome) -> list[tuple[int, int, int, int]]:
    return [(part.new, part.changed, part.unchanged, part.dropped) for part in done.stored]


def _ingest(engine: sa.Engine, sae: str | None = None, **files: Any) -> LabelsOutcome:
    return ingest_labels(engine, open_labels(**files), sae=sae)


# CSV


def _csv(path: Path, *rows: dict[str, Any]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    plain = text.getvalue().encode()
    path.write_bytes(gzip.compress(plain) if path.suffix == ".gz" else plain)
    return path


@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz"])
def test_csv(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    path = _csv(
        tmp_path / name,
        {"feature": 7, "text": 'words, "quoted",\nin two lines', "score": "0.5", "other": "x"},
        {"feature": 7, "text": "another label", "source": "me", "method": "by eye", "url": "u"},
        {"feature": 12, "text": "  "},
    )
    done = _ingest(engine, "local", csv=path)
    assert _stored(engine) == [
        (3, 7, "me", "by eye", "another label", None, "u"),
        (3, 7, name, None, 'words, "quoted",\nin two lines', 0.5, None),
    ]
    assert done.empty == 1 and _counts(done) == [(1, 0, 0, 0)] * 2
    assert _words(engine) == {"words", "quoted", "two", "lines", "another", "label"}


def test_csv_with_blanks_after_commas(engine: sa.Engine, tmp_path: Path) -> None:
    path = _text(tmp_path / "mine.csv", 'feature, text, source\n1, "apes, owls", me\n')
    _ingest(engine, "local", csv=path)
    assert _stored(engine, "text", "source") == [("apes, owls", "me")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", ", ",  "])
def test_csv_with_any_separator(engine: sa.Engine, tmp_path: Path, separator: str) -> None:
    rows = [
        ["\ufefffeature", "text", "score"],
        ["3", '"apes, owls; bees"', "1e-1"],
        [" 4 ", "x", ""],
    ]
    path = _text(tmp_path / "mine.csv", "".join(separator.join(row) + "\n" for row in rows))
    _ingest(engine, "local", csv=path)
    assert _stored(engine, "feature", "text", "score") == [
        (3, "apes, owls; bees", 0.1),
        (4, "x", None),
    ]


def test_a_column_of_no_interest_may_be_there_twice(engine: sa.Engine, tmp_path: Path) -> None:
    path = _text(tmp_path / "mine.csv", "note,feature,text,note\nx,1,apes,y\n")
    _ingest(engine, "local", csv=path)
    assert _stored(engine, "feature", "text") == [(1, "apes")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("feature,text\n", "These files hold no labels"),
        ("feature,text\n1,\n2,  \n3,\0\n", "Of the 3 labels of these files none has a text"),
    ],
)
def test_csv_without_labels(engine: sa.Engine, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(errors.BadLabels, match=message):
        _ingest(engine, "local", csv=_text(tmp_path / "mine.csv", text))


def test_what_is_said_anew_replaces_what_was(engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    first = [{"feature": f, "text": text} for f, text in ((1, "zebras"), (1, "apes"), (2, "owls"))]
    assert _counts(_ingest(engine, "local", csv=_csv(path, *first))) == [(3, 0, 0, 0)]
    before = _stored(engine, "id", "text", "created_at")
    assert _counts(_ingest(engine, "local", csv=_csv(path, *first[::-1]))) == [(0, 0, 3, 0)]
    assert _stored(engine, "id", "text", "created_at") == before
    second = [{"feature": 1, "text": "apes"}, {"feature": 3, "text": "bees", "score": 1}]
    assert _counts(_ingest(engine, "local", csv=_csv(path, *second))) == [(1, 0, 1, 1)]
    assert _stored(engine, "feature", "text") == [(1, "apes"), (2, "owls"), (3, "bees")]
    assert _words(engine) == {"apes", "owls", "bees"}
    third = [{"feature": 2, "text": "owlets"}, {"feature": 3, "text": "bees", "score": 2}]
    assert _counts(_ingest(engine, "local", csv=_csv(path, *third))) == [(0, 2, 0, 0)]
    assert _stored(engine, "feature", "text", "score")[1:] == [(2, "owlets", None), (3, "bees", 2)]
    assert _words(engine) == {"apes", "owlets", "bees"}


def test_the_same_label_twice_is_one(engine: sa.Engine, tmp_path: Path) -> None:
    row = {"feature": 1, "text": "apes", "score": 0.5}
    path = _csv(tmp_path / "mine.csv", row, row, row | {"score": 0.75})
    assert _counts(_ingest(engine, "local", csv=path)) == [(1, 0, 0, 0)]
    assert _stored(engine, "text", "score") == [("apes", 0.75)]


def test_a_source_leaves_others_alone(engine: sa.Engine, tmp_path: Path) -> None:
    for source in ("one", "two"):
        row = {"feature": 1, "text": f"from {source}", "source": source}
        _ingest(engine, "local", csv=_csv(tmp_path / "mine.csv", row))
    _ingest(engine, "canonical", csv=_csv(tmp_path / "mine.csv", row))
    assert _stored(engine, "sae", "text") == [(2, "from two"), (3, "from one"), (3, "from two")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("feature\n1\n", r"mine\.csv has no column 'text'(.|\n)*It has: feature"),
        ("", "has no column 'feature'(.|\n)*It has: none"),
        ("feature,text\nx,a\n", r"mine\.csv:2: 'x' is not a feature"),
        ("feature,text\n-1,a\n", "'-1' is not a feature"),
        ("feature,text\n1.0,a\n", "'1.0' is not a feature"),
        (f"feature,text\n{'9' * 5000},a\n", "is not a feature"),
        (
            "feature,text\n2000,a\n",
            r"there is no feature 2000(.|\n)*r/local has features 0 to 1,999",
        ),
        ("feature,text\n1,a,b\n", "has more fields than the header(.|\n)*'b'"),
        ("feature,text,score\n1,a,x\n", "'x' is not a score"),
        ("feature,text,score\n1,a,nan\n", "'nan' is not a score"),
        ('feature,text\n1,"open\n', "cannot be read as CSV"),
        (f"feature,text\n1,{'long ' * 3000}\n", "this label has 14,999 characters"),
        (f"feature,text,source\n1,a,{'x' * 251}\n", "name of a source or method has 251"),
        (f"feature,text,method\n1,a,{'x' * 9000}\n", "name of a source or method has 9,000"),
        ("feature:text\n1:a\n", "It has: feature:text(.|\n)*with commas, semicolons or tabs"),
        ("feature,text,text\n1,a,b\n", "has 2 columns 'text'"),
        ("feature,text, feature\n1,a,2\n", "has 2 columns 'feature'"),
        ("feature,text,score,score\n1,a,1,2\n", "has 2 columns 'score'"),
        *(
            (f"feature,text\n{number},a\n", f"{re.escape(repr(number))} is not a feature")
            for number in ("1_0", "0x10", "\u0661\u0662", "1e1", "+1", "\xb2", "nan", "True")
        ),
        *(
            (f"feature;text;score\n1;a;{number}\n", f"{re.escape(repr(number))} is not a score")
            for number in ("1_0", "0x1p3", "\u0661", "0,5", "inf", "1e999", "--1", "1 2", "True")
        ),
        ("feature,text\n1,\udcff\n", "mine.csv is not UTF-8"),
    ],
)
def test_csv_that_is_not_of_this_form(
    engine: sa.Engine, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, "utf-8", "surrogateescape")
    with pytest.raises(errors.BadLabels, match=message):
        _ingest(engine, "local", csv=path)
    assert _stored(engine) == [] and _words(engine) == set()


def test_one_bad_row_and_nothing_is_stored(engine: sa.Engine, tmp_path: Path) -> None:
    rows = [{"feature": i, "text": f"word {i}"} for i in range(1500)]
    with pytest.raises(errors.BadLabels, match="mine.csv:1502: there is no feature 5000"):
        path = _csv(tmp_path / "mine.csv", *rows, {"feature": 5000, "text": "x"})
        _ingest(engine, "local", csv=path)
    assert _stored(engine) == []


def test_csv_needs_one_sae(engine: sa.Engine, tmp_path: Path) -> None:
    path = _csv(tmp_path / "mine.csv", {"feature": 1, "text": "apes"})
    with pytest.raises(errors.UnknownName, match="Available: r/paper, r/canonical, .*\n.*--sae"):
        _ingest(engine, csv=path)
    with pytest.raises(errors.UnknownName, match="r/paper, r/canonical, r/local"):
        _ingest(engine, "r", csv=path)


# Neuronpedia


def _row(index: int, description: Any, source: str = CANONICAL, **more: Any) -> dict[str, Any]:
    row = {"modelId": MODEL, "layer": source, "index": str(index), "description": description}
    return row | {"typeName": "np_max-act", "explanationModelName": "m-1", "umap_x": 0} | more


def _batch(folder: Path, n: int, *rows: dict[str, Any], plain: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path = folder / f"batch-{n}.jsonl{'' if plain else '.gz'}"
    path.write_bytes(text.encode() if plain else gzip.compress(text.encode()))
    return path


def _export(root: Path, source: str = CANONICAL, says: str = "of") -> Path:
    """The bulk form of one source: sorted by index as text, in two batches, one of them plain."""
    folder = root / "v1" / MODEL / source
    indices = sorted(range(0, D_SAE, 7), key=str)
    rows = [_row(i, f"{says} {i}", source) for i in indices]
    _batch(folder / "explanations", 0, *rows[:100])
    _batch(folder / "explanations", 1, *rows[100:], plain=True)
    _batch(folder / "features", 0, {"not": "of interest"})
    return folder


def test_neuronpedia(engine: sa.Engine, tmp_path: Path) -> None:
    done = _ingest(engine, neuronpedia=[_export(tmp_path)])
    n = len(range(0, D_SAE, 7))
    assert _counts(done) == [(n, 0, 0, 0)] and done.stored[0].features == n and not done.left
    expected = [
        (2, i, "neuronpedia", "np_max-act / m-1", f"of {i}", None, None) for i in range(0, D_SAE, 7)
    ]
    assert _stored(engine) == expected
    assert _counts(_ingest(engine, neuronpedia=[tmp_path])) == [(0, 0, n, 0)]
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "select neuronpedia_url from labels where feature = 7 union "
            "select neuronpedia_url from features where sae = 2 and feature = 7"
        ).scalars()
        assert list(found) == [f"https://www.neuronpedia.org/{MODEL}/{CANONICAL}/7"]


def test_rows_vary_and_hold_what_the_server_refuses(engine: sa.Engine, tmp_path: Path) -> None:
    bare = {"modelId": MODEL, "layer": CANONICAL, "index": 5, "description": "bare"}
    path = _batch(
        tmp_path, 0,
        _row(3, "NUL\0 and \ud800 in a text", explanationModelName="m\0"),
        _row(4, None), _row(10, ""), bare, _row(3, "a second one", typeName=None),
    )  # fmt: skip
    done = _ingest(engine, neuronpedia=[path])
    assert done.empty == 2
    assert _stored(engine, "feature", "method", "text") == [
        (3, "m-1", "a second one"),
        (3, "np_max-act / m", "NUL and \ufffd in a text"),
        (5, None, "bare"),
    ]


def test_each_label_goes_to_the_sae_it_is_of(engine: sa.Engine, tmp_path: Path) -> None:
    _export(tmp_path, CANONICAL, "canonical")
    _export(tmp_path, PAPER, "paper")
    _export(tmp_path, "20-gemmascope-res-16k", "other")
    mixed = _batch(tmp_path, 0, _row(1, "canonical 1"), _row(1, "paper 1", PAPER))
    done = _ingest(engine, neuronpedia=[tmp_path / "v1", mixed])
    assert done.left == {f"{MODEL}/20-gemmascope-res-16k"}
    assert "Left out, of other SAEs: gemma-2-2b/20-gemmascope-res-16k." in done.summary
    for sae, _, _, _, text, *_ in _stored(engine):
        assert text.split()[0] == list(SAES)[sae - 1]
    assert [part.sae for part in done.stored] == [1, 2]


def test_labels_of_another_sae_are_refused(engine: sa.Engine, tmp_path: Path) -> None:
    folder = _export(tmp_path, CANONICAL)
    with pytest.raises(errors.BadLabels) as caught:
        _ingest(engine, "r/paper", neuronpedia=[folder])
    assert "no labels of this SAE" in str(caught.value)
    assert f"They hold {MODEL}/{CANONICAL}." in str(caught.value)
    assert f"On Neuronpedia r/paper is {MODEL}/{PAPER}." in str(caught.value)
    with pytest.raises(errors.BadLabels, match="of an SAE of the catalog"):
        _ingest(engine, neuronpedia=[_export(tmp_path / "o", "20-gemmascope-res-16k")])
    assert _stored(engine) == []
    # of a release, those that the files speak of
    assert [part.sae for part in _ingest(engine, "r", neuronpedia=[folder]).stored] == [2]


def test_an_sae_without_a_page_needs_to_be_told(engine: sa.Engine, tmp_path: Path) -> None:
    path = _batch(tmp_path, 0, _row(1, "apes"), _row(1, "paper's", PAPER))
    with pytest.raises(errors.BadLabels, match="names no page(.|\n)*--neuronpedia-id"):
        _ingest(engine, "local", neuronpedia=[path])
    source_id = f"{MODEL}/{CANONICAL}"
    with pytest.raises(errors.UnknownName, match="--sae"):
        _ingest(engine, neuronpedia=[path], neuronpedia_id=source_id)
    with pytest.raises(errors.BadLabels, match=f"r/paper is {MODEL}/{PAPER} on Neuronpedia, not"):
        _ingest(engine, "paper", neuronpedia=[path], neuronpedia_id=source_id)
    with pytest.raises(errors.InputError, match="'12-gemmascope' is not the name of a page"):
        _ingest(engine, "local", neuronpedia=[path], neuronpedia_id="12-gemmascope")
    address = f"https://www.neuronpedia.org/{source_id}"
    done = _ingest(engine, "local", neuronpedia=[path], neuronpedia_id=address)
    assert done.left == {f"{MODEL}/{PAPER}"}
    page = f"https://www.neuronpedia.org/{source_id}/1"
    assert _stored(engine, "sae", "text", "url") == [(3, "apes", page)]
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("select neuronpedia_url from labels").scalars().all()
    assert pages == [None]  # whose features these are nobody has said


def test_two_names_of_one_sae_share_its_labels(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        changed = sa.update(tables.sae).where(tables.sae.c.sae_id == "local")
        connection.execute(changed.values(neuronpedia_id=SAES["canonical"]))
    _ingest(engine, neuronpedia=[_batch(tmp_path, 0, _row(1, "apes"))])
    assert _stored(engine, "sae", "text") == [(2, "apes"), (3, "apes")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f / "nowhere", "There is no file or folder"),
        (lambda f: f, "holds no files .jsonl or .json"),
        (lambda f: _batch(f, 0, {"modelId": MODEL, "layer": 1}), "batch-0.jsonl.gz:1: .*'index'"),
        (lambda f: _batch(f, 0, _row(1, ["x"])), "its description is a list"),
        (lambda f: _batch(f, 0, _row(-1, "x")), "'-1' is not a feature"),
        (lambda f: _batch(f, 0, _row(1, "x") | {"index": "1e3"}), "'1e3' is not a feature"),
        (lambda f: _batch(f, 0, _row(D_SAE, "x")), "there is no feature 2000"),
        (lambda f: _cut_off(_batch(f, 0, *(_row(i, "x") for i in range(9)))), "is cut off after"),
        (lambda f: _text(f / "a.jsonl", "{"), "a.jsonl:1: this is not JSON"),
        (lambda f: _text(f / "a.json", '[{"modelId": 1}, {'), r"a.json:1: .*'layer' is missing"),
        (lambda f: _text(f / "a.json", f"[{json.dumps(_row(1, 'x'))}"), "a.json:2: .*it ends here"),
        (lambda f: _text(f / "a.json", "[{}"), "a.json:1: the field 'modelId' is missing"),
        (lambda f: _text(f / "a.json", "[]"), "hold no labels"),
        (lambda f: _batch(f, 0, *(_no_text(i) for i in range(9))), "batch-0.*:1: .*'description'"),
        (lambda f: _batch(f, 0, *(_no_text(i) for i in range(1500))), "not of features or"),
        (lambda f: _batch(f, 0, _row(1, ""), _row(2, None)), "Of the 2 labels .* none has a text"),
        (lambda f: _batch(f, 0, _row(1, "x") | {"index": 1.5}), "'index' is a number"),
        (lambda f: _batch(f, 0, _row(1, "x") | {"index": "\u0661"}), "is not a feature"),
    ],
)
def test_files_that_are_not_neuronpedias(
    engine: sa.Engine, tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(errors.BadLabels, match=message):
        _ingest(engine, neuronpedia=[make(tmp_path)])
    assert _stored(engine) == []


def _no_text(index: int) -> dict[str, Any]:
    """A line of features or activations."""
    row = _row(index, None) | {"maxActApprox": 1.0, "pos_str": []}
    return {name: value for name, value in row.items() if name != "description"}


@pytest.mark.slow
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "name", ["a.json", "a.json.gz", "batch-0.jsonl", "deep/explanations/a.json"]
)
def test_explanations_as_one_list(
    engine: sa.Engine, tmp_path: Path, name: str, indent: int | None
) -> None:
    rows = [_row(i, f"of {i} \xe4 " + "x" * 300) for i in range(0, D_SAE, 7)]
    path = tmp_path / "v1" / name
    path.parent.mkdir(parents=True)
    text = ("\ufeff" + json.dumps(rows, indent=indent, ensure_ascii=False) + "\n").encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    _ingest(engine, neuronpedia=[tmp_path / "v1"])
    expected = [(int(row["index"]), row["description"]) for row in rows]
    assert _stored(engine, "feature", "text") == expected


def test_features_beside_explanations_are_refused(engine: sa.Engine, tmp_path: Path) -> None:
    files = [
        _batch(tmp_path / "explanations", 0, _row(1, "apes")),
        _batch(tmp_path / "activations", 0, *map(_no_text, range(3))),
    ]
    with pytest.raises(errors.BadLabels, match="explanations, not of features or activations"):
        _ingest(engine, neuronpedia=files)
    assert _stored(engine) == []
    # a folder's explanations are chosen, and single ones may lack a text
    _batch(tmp_path / "explanations", 0, _no_text(3), _row(1, "apes"))
    assert _ingest(engine, neuronpedia=[tmp_path]).empty == 1
    assert _stored(engine, "text") == [("apes",)]


def _cut_off(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-10])
    return path


def _text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_pages_there_is_nothing_to_match(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(tables.sae).values(neuronpedia_id=None))
    with pytest.raises(errors.BadLabels, match="None of these SAEs names its page"):
        _ingest(engine, neuronpedia=[_batch(tmp_path, 0, _row(1, "apes"))])


# Delphi


def _delphi(folder: Path, texts: dict[str, Any], config: dict[str, Any] | None = None) -> Path:
    (folder / "explanations").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "explanations" / f"{name}.txt").write_text(json.dumps(text))
    if config is not None:
        (folder / "run_config.json").write_text(json.dumps(config))
    return folder


def _answers(*answers: tuple[bool, bool | None]) -> list[dict[str, Any]]:
    return [{"activating": fires, "correct": right, "str_tokens": []} for fires, right in answers]


def test_delphi(engine: sa.Engine, tmp_path: Path) -> None:
    texts = {f"layers.3_latent{i}": f"about {i}" for i in (0, 2, 10)}
    texts["layers.3_latent11"] = "Explanation could not be parsed."
    folder = _delphi(tmp_path / "run", texts, {"explainer_model": "big/model"})
    scores = folder / "scores" / "detection"
    scores.mkdir(parents=True)
    yes, no = True, False
    answers = _answers((yes, yes), (yes, no), (yes, None), (no, yes), (no, yes))
    (scores / "layers.3_latent2.txt").write_text(json.dumps(answers))
    (scores / "layers.3_latent10.txt").write_text(json.dumps(_answers((yes, yes))))
    done = _ingest(engine, "local", delphi=folder)
    assert done.empty == 1
    assert _stored(engine) == [
        (3, 0, "delphi", "big/model", "about 0", None, None),
        (3, 2, "delphi", "big/model", "about 2", 0.75, None),
        (3, 10, "delphi", "big/model", "about 10", None, None),
    ]
    again = _ingest(engine, "local", delphi=folder / "explanations")
    assert _counts(again) == [(0, 0, 3, 0)]


def test_delphis_hookpoints_are_kept_apart(engine: sa.Engine, tmp_path: Path) -> None:
    texts = {"layers.3--mlp_latent0": "of the mlp", "layers.3_latent0": "of the stream"}
    folder = _delphi(tmp_path, texts)
    with pytest.raises(errors.BadLabels, match="holds 2 hookpoints(.|\n)*--hookpoint"):
        _ingest(engine, "local", delphi=folder)
    with pytest.raises(errors.BadLabels, match=r"no hookpoint 'layers\.4'(.|\n)*layers\.3"):
        _ingest(engine, "local", delphi=folder, hookpoint="layers.4")
    _ingest(engine, "local", delphi=folder, hookpoint="layers.3/mlp")
    assert _stored(engine, "text", "method") == [("of the mlp", None)]


def test_delphis_labels_of_another_layer(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(tables.sae).values(layer=12))
    folder = _delphi(tmp_path, {"gpt2.h.11--mlp_latent0": "of layer 11"})
    with pytest.raises(errors.BadLabels, match=r"of gpt2\.h\.11--mlp, and r/local of layer 12"):
        _ingest(engine, "local", delphi=folder)
    assert _stored(engine) == []
    _ingest(engine, "local", delphi=folder, hookpoint="gpt2.h.11--mlp")
    other = _delphi(tmp_path / "other", {"layers.12_latent1": "of layer 12", "x_latent": "no"})
    _ingest(engine, "local", delphi=other)
    assert _stored(engine, "text") == [("of layer 11",), ("of layer 12",)]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, "holds no explanations"),
        ({"a_latent0": ["x"]}, "it should be a valid string"),
        ({"a_latent\u0661": "x"}, "holds no explanations"),
        ({"a_latent0": "Explanation could not be parsed."}, "Of the 1 label of these files none"),
        ({f"a_latent{D_SAE}": "x"}, "there is no feature 2000"),
    ],
)
def test_what_is_not_delphis(
    engine: sa.Engine, tmp_path: Path, texts: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.BadLabels, match=message):
        _ingest(engine, "local", delphi=_delphi(tmp_path, texts))
    assert _stored(engine) == []


# Removing, and the command line


def test_removing(engine: sa.Engine, tmp_path: Path) -> None:
    rows = [{"feature": 1, "text": f"{word} all", "source": word} for word in ("apes", "owls")]
    path = _csv(tmp_path / "mine.csv", *rows)
    for sae in ("local", "paper"):
        _ingest(engine, sae, csv=path)
    with engine.begin() as connection:
        assert remove_labels(connection, [3], "apes") == 1
    assert _words(engine) == {"apes", "owls"}  # the other SAE's still say them
    with engine.begin() as connection:
        with pytest.raises(errors.UnknownName, match="No label is from 'ape'(.|\n)*owls"):
            remove_labels(connection, [3], "ape")
        remove_sae(connection, 1)
    assert _stored(engine, "text") == [("owls all",)] and _words(engine) == {"owls"}
    with engine.begin() as connection:
        assert remove_labels(connection, [3]) == 1
        with pytest.raises(errors.UnknownName, match="There are no such labels"):
            remove_labels(connection, [3])
    assert _words(engine) == set()


@pytest.mark.slow
def test_the_commands(database_url: str, engine: sa.Engine, tmp_path: Path) -> None:
    path = _csv(tmp_path / "mine.csv", {"feature": 7, "text": "apes", "source": "me"})
    words = ("ingest", "labels", "--sae", "local", "--csv", str(path))
    assert run(*words).stdout == (
        "SAE 3  r/local  labels of 1 feature from me: 1 new, 0 changed, 0 unchanged\n"
    )
    assert "0 new, 0 changed, 1 unchanged" in run(*words).stdout
    assert run("remove", "labels", "--sae", "3").stdout == "Removed 1 label\n"
    for wrong in ((), ("--csv", str(path), "--delphi", str(tmp_path))):
        failed = run("ingest", "labels", "--sae", "3", *wrong)
        assert failed.returncode == 1 and "Labels come from one kind of files" in failed.stderr
    both = run("ingest", "labels", "--sae", "3", "--csv", str(path), "--hookpoint", "x")
    assert "--hookpoint goes with --delphi" in both.stderr
