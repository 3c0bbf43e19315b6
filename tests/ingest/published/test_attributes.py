"""Published attributes: types, the query language, exports, round trips, what is refused."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import parquet

import saeatlas
from saeatlas import errors
from saeatlas.ingest.published import attributes
from saeatlas.schema import tables
from tests.support.commands import run_command
from tests.support.rows import rows_of

N = 6
FRAME = pd.DataFrame({
    "feature": range(N), "auc": [0.5, 0.9, np.nan, 0.7, 1e-3, 1.0], "n": [3, 1, 4, 1, 5, 9],
    "topic": ["law", "code", "law", None, "maths", "code"],
})  # fmt: skip


@pytest.fixture(autouse=True)
def saes(engine: sa.Engine) -> None:
    for layer in (1, 2):
        run_command(f"ingest sae --no-weights --features {N} --model m --layer {layer}")


def _ingest(engine: sa.Engine, path: Path, **options: Any) -> Any:
    return attributes.ingest_attributes(engine, path, **{"sae": "1"} | options)


def _features(query: str) -> list[int]:
    found: list[int] = saeatlas.connect().query(query)["feature"].tolist()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "npz"])
def test_values_of_every_form(engine: sa.Engine, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    frame = FRAME.sample(frac=1, random_state=0)
    match suffix:
        case "csv":
            frame.to_csv(path, index=False)
        case "parquet":
            frame.to_parquet(path, index=False)
        case "json":
            path.write_text(frame.to_json(orient="records"))
        case _:
            topics = frame["topic"].fillna("").to_numpy(str)
            np.savez(path, feature=frame["feature"], auc=frame["auc"], n=frame["n"], topic=topics)
    done = _ingest(engine, path)
    assert done.created and not _ingest(engine, path).created
    rows = saeatlas.connect().sql("select * from attribute_values order by name, feature")
    for name, kind in (("auc", "number"), ("n", "number"), ("topic", "text")):
        own = rows[rows["name"] == name]
        known = FRAME[FRAME[name].notna()]
        assert own["feature"].tolist() == known["feature"].tolist()
        assert own[kind].tolist() == known[name].tolist()
    listed = saeatlas.connect().sql("select name, type, n_features from attributes order by name")
    assert listed.values.tolist() == [
        ["auc", "number", 5],
        ["n", "number", 6],
        ["topic", "text", 5],
    ]


def test_the_query_language(engine: sa.Engine, tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    said = run_command(f"ingest attributes {tmp_path / 'a.csv'} --sae 1")
    assert said == "Run 1: ingested. auc (numbers), n (numbers), topic (texts), of 6 features.\n"
    assert _features("features where attribute.auc > 0.6") == [1, 3, 5]
    assert _features("features where attribute.auc between 0.5 and 0.8") == [0, 3]
    assert _features("features where not attribute.auc > 0.6") == [0, 4]
    assert _features('features where attribute.topic = "law" and attribute.n >= 4') == [2]
    assert _features('features where attribute.topic in ("code", "maths")') == [1, 4, 5]
    assert _features('features where attribute.topic like "%a%s"') == [4]
    assert _features("features of sae 1 where attribute.auc is null") == [2]
    assert _features("features where attribute.n = 1 order by attribute.auc desc") == [1, 3]
    found = saeatlas.connect().query("features where attribute.auc > 0.6")
    assert found["attribute.auc"].tolist() == [0.9, 0.7, 1.0]
    shown = run_command(["query", "--sql", "features where attribute.auc > 0.6"])
    assert "attribute_values" in shown and "attribute.auc is of run 1" in shown


def test_of_several_the_newest(engine: sa.Engine, tmp_path: Path) -> None:
    for i, sae in enumerate(("1", "1", "2")):
        (tmp_path / f"{i}.csv").write_text(f"feature,a,my score\n{i},7,{i}\n")
        _ingest(engine, tmp_path / f"{i}.csv", sae=sae)
    assert _features("features where attribute.a = 7") == [1, 2]
    assert _features('features of layer 1 where attribute."my score" < 5') == [1]
    (tmp_path / "t.csv").write_text("feature,a\n3,seven\n")
    _ingest(engine, tmp_path / "t.csv", sae="2")
    with pytest.raises(errors.BadQuery, match="numbers of sae 1, texts of sae 2"):
        _features("features where attribute.a = 7")
    assert _features('features of sae 2 where attribute.a = "seven"') == [3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("features where attribute.acu > 3", r"no attribute 'acu'(.|\n)*Nearest: auc"),
        ("features of sae 2 where attribute.auc > 3", r"no attribute 'auc'"),
        ("features where attribute.auc = high", r"attribute.auc is a number"),
        ("features where attribute.topic > 3", "attribute.topic is a text"),
        ('features where attribute.auc like "a"', "is no text"),
        ("features where attribute. > 3", "attribute"),
        ("features where attribute > 3", "no field 'attribute'"),
        ("lobes where attribute.auc > 3", "no field 'attribute.auc'"),
    ],
)
def test_wrong_queries(engine: sa.Engine, tmp_path: Path, query: str, message: str) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    _ingest(engine, tmp_path / "a.csv")
    with pytest.raises(errors.BadQuery, match=message):
        saeatlas.connect().query(query)


def test_exports_and_round_trip(engine: sa.Engine, tmp_path: Path) -> None:
    FRAME.rename(columns={"auc": "a/c"}).to_csv(tmp_path / "a.csv", index=False)
    _ingest(engine, tmp_path / "a.csv")
    wanted = saeatlas.connect().sql("select name, feature, number, text from attribute_values")
    for suffix in ("csv", "parquet"):
        run_command(f"export features 1 {tmp_path / f'f.{suffix}'}")
        done = _ingest(engine, tmp_path / f"f.{suffix}")
        assert (done.run, done.created) == (1, False)
        frame = pd.read_csv(tmp_path / f"f.{suffix}") if suffix == "csv" else pd.read_parquet(
            tmp_path / "f.parquet"
        )  # fmt: skip
        assert frame["attribute.n"].tolist() == FRAME["n"].tolist()
        with pytest.raises(errors.BadTable, match="its layer is|its sae_id is"):
            _ingest(engine, tmp_path / f"f.{suffix}", sae="2")
    again = saeatlas.connect().sql("select name, feature, number, text from attribute_values")
    pd.testing.assert_frame_equal(again, wanted)
    import anndata

    run_command(f"export features 1 {tmp_path / 'f.h5ad'}")
    obs = anndata.read_h5ad(tmp_path / "f.h5ad").obs
    assert obs["attribute.n"].tolist() == FRAME["n"].tolist()
    assert obs["attribute.topic"].dropna().tolist() == FRAME["topic"].dropna().tolist()
    assert obs["attribute.a_c"].notna().sum() == 5


def test_types_that_files_say(engine: sa.Engine, tmp_path: Path) -> None:
    table = pa.table({
        "feature": pa.array(range(N), pa.uint8()), "flag": [True, False, None, True, True, False],
        "digits": pa.array(["1", "2", "3", "4", "5", "6"], pa.string_view()),
        "kind": pa.array(["a", "b", "a", None, "a", "b"]).dictionary_encode(),
        "list": [[1]] * N, "half": pa.array([0.5] * N, pa.float16()),
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "a.parquet")
    done = _ingest(engine, tmp_path / "a.parquet")
    assert done.content.startswith("flag (numbers), digits (texts), kind (texts), half (numbers)")
    assert _features("features where attribute.flag = 1") == [0, 3, 4]
    assert _features('features where attribute.digits = "2"') == [1]
    with pytest.raises(errors.BadTable, match="'list' of a.parquet holds list"):
        _ingest(engine, tmp_path / "a.parquet", columns={"list": "list"})
    (tmp_path / "a.csv").write_text("feature,code\n0,007\n1,a7\n")
    assert "code (texts)" in _ingest(engine, tmp_path / "a.csv").content


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("feature,a\n0,1\n0,2\n", "feature 0: it has several rows"),
        (f"feature,a\n{N},1\n", f"no feature {N}"),
        ("feature,a,b\n0,1,\n1,2,\n", "The column 'b' of a.csv has no value"),
        ("feature,a\n", "holds no rows"),
        ("feature,a\n0,1\n1,2\n2,0x10\n", "feature 2: its a is '0x10', not a finite number"),
        ("feature,a\n0,1\n1,inf\n2,3\n", "feature 1: its a is 'inf', not a finite number"),
        ("feature,a\n0,nan\n1,NaN\n", "The column 'a' of a.csv has no value"),
        ({"feature": [0, 1], "a": [1, True]}, "feature 1: its a is True, not a finite number"),
        ("id,a\n0,1\n", "feature=id"),
        ('feature,a\n0,"x\0y"\n', "NUL"),
        (f"feature,a\n0,{'x' * 70_000}\n", "more than 65,536 bytes"),
        (f"feature,{'n' * 2_000}\n0,1\n", "name of 2,000 bytes"),
        ({"feature": [0, 1], "a": [1, "x"]}, "feature 1: its a is 'x', not a finite number"),
        ({"feature": [0, 1], "a": [1, float("inf")]}, "feature 1: its a is inf"),
        ({"feature": [0], "a": [2**53 + 1]}, "feature 0: its a is 9007199254740993"),
        ({"feature": [0], "a": ["\ud800"]}, "cannot be stored"),
        ({"feature": [0], "a": [{"b": 1}]}, "no single value"),
        ("feature;auc\n1;0,35\n", r"feature 1: its auc is '0,35'(.|\n)*written as 0.35"),
        ("feature;a\n0;1\n1;0,35\n2;,5\n3;x\n", "feature 1: its a is '0,35', not a finite"),
        ('feature,a\n0,"1,234.5"\n1,"12,000"\n', "feature 0: its a is '1,234.5', not a finite"),
        ("feature;a\n0;1.234.567,8\n1;n/a\n2;3 000\n", "its a is '1.234.567,8', not a finite"),
        ("feature,a\n0,0x1F\n1,0xff\n", "feature 0: its a is '0x1F', not a finite"),
        ("feature,a\n0,1_000\n1,2_000\n", "feature 0: its a is '1_000', not a finite"),
        ("feature,a\n0,\u0663\u0664\n", "not a finite number"),
        ("feature,a\n0,\u22120.5\n", "not a finite number"),
        ("feature,a\n0,35%\n1,20 %\n", "feature 0: its a is '35%', not a finite"),
        ("feature,a\n0,inf\n1,-inf\n", "feature 0: its a is 'inf', not a finite"),
        ("feature,a\n0,9007199254740993\n", "its a is '9007199254740993', not a finite"),
        (f"feature,a\n0,{'9' * 5_000}\n", "not a finite"),
        ("feature,,b\n0,1,2\n", "has a column without a name"),
        (",feature,b\n0,0,1\n1,1,5\n", r"without a name(.|\n)*index=False"),
        ({"feature": [0], "\u200b ": [1]}, "has a column without a name"),
        ({"feature": [0], "": ["x"]}, "has a column without a name"),
    ],
)
def test_bad_files(engine: sa.Engine, tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / ("a.csv" if isinstance(content, str) else "a.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(errors.BadTable, match=message):
        _ingest(engine, path)
    assert rows_of(engine, tables.run) == [] and rows_of(engine, tables.attribute) == []


def test_texts_that_are_no_numbers(engine: sa.Engine, tmp_path: Path) -> None:
    """Versions, dates, codes and lists stay texts; so do numbers that a file calls texts."""
    texts = ["1.2.3", "2024-01-05", "12:30", "e5", "1,2,3", "A0x1"]
    pd.DataFrame({"feature": range(N), "t": texts}).to_csv(tmp_path / "t.csv", index=False)
    assert "t (texts)" in _ingest(engine, tmp_path / "t.csv").content
    (tmp_path / "t.json").write_text(json.dumps({"feature": [0, 1], "t": ["0,35", "0x1F"]}))
    assert "t (texts)" in _ingest(engine, tmp_path / "t.json").content


@pytest.mark.parametrize("kind", [pa.decimal128(18, 3), pa.decimal256(50, 10)])
def test_decimals(engine: sa.Engine, tmp_path: Path, kind: pa.DataType) -> None:
    """As DuckDB writes 0.5; also features, and values by dictionary."""
    values = pa.array([Decimal("0.125"), None, Decimal(3), Decimal("-2.5"), Decimal(0)], kind)
    table = pa.table({
        "feature": pa.array(map(Decimal, range(5)), pa.decimal128(4, 0)), "a": values,
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "a.parquet")
    assert "a (numbers), of 4 features" in _ingest(engine, tmp_path / "a.parquet").content
    rows = saeatlas.connect().sql("select feature, number from attribute_values order by feature")
    assert rows.values.tolist() == [[0, 0.125], [2, 3], [3, -2.5], [4, 0]]
    big = table.slice(0, 1).set_column(1, "a", pa.array([Decimal(2**53 + 1)], pa.decimal128(38, 2)))
    parquet.write_table(big, tmp_path / "b.parquet")
    with pytest.raises(errors.BadTable, match="its a is 9007199254740993, not a finite"):
        _ingest(engine, tmp_path / "b.parquet")


KINDS = {
    "binary": pa.array([b"x"] * N), "list<": pa.array([[1.5]] * N),
    "fixed_size_binary": pa.array([b"xy"] * N, pa.binary(2)),
    "struct<": pa.array([{"x": 1}] * N), "timestamp": pa.array([0] * N, pa.timestamp("s")),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_are_not_read(engine: sa.Engine, tmp_path: Path, kind: str) -> None:
    """The message names the column and its type; beside others it is named as not read."""
    path, odd = tmp_path / "a.parquet", KINDS[kind]
    parquet.write_table(pa.table({"feature": range(N), "odd": odd}), path)
    with pytest.raises(errors.BadTable, match=rf"Not read: 'odd' \({kind}"):
        _ingest(engine, path)
    parquet.write_table(pa.table({"feature": odd, "a": range(N)}), path)
    with pytest.raises(errors.BadTable, match=f"column 'feature' of a.parquet holds {kind}"):
        _ingest(engine, path)
    parquet.write_table(pa.table({"feature": range(N), "a": range(N), "odd": odd}), path)
    assert f"Not read: 'odd' ({kind}" in _ingest(engine, path).content
    with pytest.raises(errors.BadTable, match=f"column 'odd' of a.parquet holds {kind}"):
        _ingest(engine, path, columns={"o": "odd"})


@pytest.mark.slow
@pytest.mark.parametrize("features", [np.int64(3), np.arange(N)[:, None], np.arange(N)[None]])
@pytest.mark.parametrize("name", ["feature", "features"])
def test_an_array_of_features_has_one_axis(
    engine: sa.Engine, tmp_path: Path, features: Any, name: str
) -> None:
    values: dict[str, Any] = {"a": np.arange(float(N))}
    np.savez(tmp_path / "a.npz", **values | {name: features})
    with pytest.raises(errors.BadTable, match=rf"array {name} in a.npz has shape \("):
        _ingest(engine, tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", **values | {name: np.full(N, b"1")})
    with pytest.raises(errors.BadTable, match="column 'feature' of b.npz holds type"):
        _ingest(engine, tmp_path / "b.npz")


def test_from_python_and_removed(engine: sa.Engine, tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    run = saeatlas.connect().ingest.attributes(
        path=tmp_path / "a.csv", sae=1, columns={"t": "topic"}
    )
    assert [row.name for row in rows_of(engine, tables.attribute)] == ["t"]
    run_command(f"remove run {run}")
    assert rows_of(engine, tables.attribute_value) == []
