"""Published maps: every form of file, what is refused, round trips, exports."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import saeatlas
from saeatlas import errors
from saeatlas.ingest.published import maps
from saeatlas.schema import tables
from tests.support import tiny
from tests.support.commands import run_command
from tests.support.rows import rows_of

N = 12
POINTS = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def sae(engine: sa.Engine) -> None:
    run_command(f"ingest sae --no-weights --features {N} --release r --sae-id s --layer 1")


def _ingest(engine: sa.Engine, path: Path, **options: Any) -> Any:
    return maps.ingest_map(engine, path, **{"sae": "1"} | options)


def _frame(d: int = 2) -> pd.DataFrame:
    return pd.DataFrame(POINTS[:, :d], columns=list("xyz")[:d]).assign(feature=np.arange(N))


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
def test_every_form(engine: sa.Engine, tmp_path: Path, d: int) -> None:
    frame = _frame(d).sample(frac=1, random_state=0)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "b.parquet")
    frame.assign(z=np.nan if d == 2 else frame.get("z")).to_csv(tmp_path / "c.tsv", sep="\t")
    own = POINTS[:, :d]
    np.save(tmp_path / "d.npy", own)
    np.savez(tmp_path / "e.npz", umap=own, loss=3.0)
    np.savez(tmp_path / "f.npz", feature=np.arange(N)[::-1], X=own[::-1].astype(np.float16))
    texts: dict[str, Any] = {
        "g": own.tolist(), "h": {str(i): p for i, p in enumerate(own.tolist())},
        "i": _frame(d).to_dict("list"), "j": _frame(d).to_dict("records"),
        "k": _frame(d).drop(columns="feature").to_dict("list"),
    }  # fmt: skip
    for name, value in texts.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    for path in sorted(tmp_path.iterdir()):
        options = (
            {"columns": {"feature": "feature", "x": "x", "y": "y"}} if path.suffix == ".tsv" else {}
        )
        if d == 3 and options:
            options["columns"]["z"] = "z"
        found = saeatlas.connect().map(_ingest(engine, path, **options).run)
        assert found.index.tolist() == list(range(N)) and found.columns.tolist() == list("xyz")[:d]
        atol = 1e-2 if path.stem == "f" else 0
        np.testing.assert_allclose(found.to_numpy(), own, atol=atol, rtol=1e-6)


def test_what_is_stored(engine: sa.Engine, tmp_path: Path) -> None:
    _frame().rename(columns={"x": "umap_1", "y": "umap_2", "feature": "id"}).head(5).to_csv(
        tmp_path / "u.csv", index=False
    )
    words = ["ingest", "map", str(tmp_path / "u.csv"), "--sae", "1", "--method", "umap", "--column",
             "x=umap_1", "--column", "y=umap_2", "--column", "feature=id"]  # fmt: skip
    assert run_command(words) == f"Run 1: ingested. 5 features of {N} in 2 dimensions.\n"
    assert "already there, unchanged" in run_command(words)
    [row] = saeatlas.connect().query("maps of sae 1").to_dict("records")
    assert (row["method"], row["source"], row["dimensions"], row["n_features"]) == (
        "umap", "published", 2, 5,
    )  # fmt: skip
    assert pd.isna(row["neighbours_kept"])
    assert rows_of(engine, tables.run)[0].params["file"] == "u.csv"
    import anndata

    run_command(f"export features 1 {tmp_path / 'f.h5ad'}")
    made = anndata.read_h5ad(tmp_path / "f.h5ad")
    np.testing.assert_array_equal(made.obsm["X_umap_published"][:5], POINTS[:5, :2])
    assert np.isnan(made.obsm["X_umap_published"][5:]).all()
    assert "umap" in run_command("status")


@pytest.mark.parametrize("names", [("umap_1", "umap_2"), ("X", "Y"), ("PC2", "PC1"), ("0", "1")])
def test_names_of_axes(engine: sa.Engine, tmp_path: Path, names: tuple[str, str]) -> None:
    frame = pd.DataFrame({"feature": [3, 4], names[0]: [1.0, 2.0], names[1]: [5.0, 6.0]})
    frame.to_csv(tmp_path / "m.csv", index=False)
    found = saeatlas.connect().map(_ingest(engine, tmp_path / "m.csv").run)
    first, second = ("y", "x") if names[0] == "PC2" else ("x", "y")
    assert found[first].tolist() == [1.0, 2.0] and found[second].tolist() == [5.0, 6.0]


def test_round_trip_of_a_map_made_here(engine: sa.Engine, tmp_path: Path) -> None:
    run_command(f"ingest sae --path {tiny.make_sae(tmp_path / 'one', layer=2)}")
    run_command("analyze maps --sae 2 --method pca")
    atlas = saeatlas.connect()
    wanted = atlas.map(1)
    rows = atlas.sql("select * from coordinates where run = 1")
    rows.to_csv(tmp_path / "m.csv", index=False)
    rows.to_parquet(tmp_path / "m.parquet")
    wanted.to_csv(tmp_path / "own.csv")
    for name in ("m.csv", "m.parquet", "own.csv"):
        run = atlas.ingest.map(path=tmp_path / name, sae=2, method="pca")
        pd.testing.assert_frame_equal(atlas.map(run), wanted)
    with pytest.raises(errors.BadTable, match="row 1: its"):
        _ingest(engine, tmp_path / "m.csv")


BAD: dict[str, tuple[Any, str]] = {
    "nan": ("feature,x,y\n0,1,nan\n", "feature 0: its y is 'nan', not a finite number"),
    "missing": ("feature,x,y\n3,1,\n", "feature 3: its y is missing"),
    "inf": ("feature,x,y\n3,inf,1\n", "feature 3: its x is 'inf'"),
    "large": ("feature,x,y\n3,1e39,1\n", "feature 3: its x is '1e39'"),
    "text": ("feature,x,y\n3,a,1\n", "feature 3: its x is 'a'"),
    "hexadecimal": ("feature,x,y\n3,0x10,1\n", "its x is '0x10'"),
    "underscore": ("feature,x,y\n3,1_0,1\n", "its x is '1_0'"),
    "some z": ("feature,x,y,z\n3,1,1,\n4,1,1,1\n", "feature 3: its z is missing"),
    "twice": ("feature,x,y\n3,1,1\n3,1,1\n", "feature 3: it has several rows"),
    "high": (f"feature,x,y\n{N},1,1\n", f"there is no feature {N}"),
    "one axis": ("feature,x\n3,1\n", "no columns x and y"),
    "many": ("feature,a,b,c,d\n3,1,1,1,1\n", r"no columns x and y(.|\n)*--column x=COLUMN"),
    "two scores": ("feature,auc,n\n0,1,2\n", r"no columns x and y(.|\n)*'auc', 'n'"),
    "other stems": ("feature,a1,b2\n0,1,2\n", "no columns x and y"),
    "a gap": ("feature,u1,u3\n0,1,2\n", "no columns x and y"),
    "no rows": ("feature,x,y\n", "holds no rows"),
    "nan array": (np.full((N, 2), np.nan), "feature 0: its x is missing"),
    "one column": (np.zeros((N, 1)), "no columns x and y"),
    "flat": (np.zeros(N), "no columns x and y"),
    "transposed": (np.zeros((2, N)), r"no array(.|\n)*shape \(2, 12\)"),
    "uneven": ([[1, 2], [3]], "no values of features|holds no"),
    "nested": ({"0": [1, [2]]}, "no single value"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_bad_files(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    path = tmp_path / "m.csv"
    if isinstance(content, np.ndarray):
        path = tmp_path / "m.npy"
        np.save(path, content)
    elif isinstance(content, str):
        path.write_text(content)
    else:
        path = tmp_path / "m.json"
        path.write_text(json.dumps(content))
    with pytest.raises(errors.BadTable, match=message):
        _ingest(engine, path)
    assert rows_of(engine, tables.run) == [] and rows_of(engine, tables.coordinate) == []


def test_wrong_words(engine: sa.Engine, tmp_path: Path) -> None:
    _frame().to_csv(tmp_path / "m.csv", index=False)
    for method in ("", "a b", "a/b", "x" * 51, "é"):
        with pytest.raises(errors.InputError, match="--method"):
            _ingest(engine, tmp_path / "m.csv", method=method)
    with pytest.raises(errors.BadTable, match="a map has no 'w'"):
        _ingest(engine, tmp_path / "m.csv", columns={"w": "x"})
