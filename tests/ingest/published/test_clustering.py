"""Published clusterings, on a real server: every form of file, what is refused, round trips."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sklearn.metrics import adjusted_mutual_info_score

import saeatlas
from saeatlas import errors
from saeatlas.ingest.published import arrays, clustering, columns
from saeatlas.ingest.saes import without_weights
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, runs
from saeatlas.schema.rows.remove import remove_run
from tests.support.commands import run_command
from tests.support.rows import rows_of

N = 20
LABELS = np.array([0, 1, 2, 0, 1, 0, 0, 2, 1, 0, 0, 1, 2, 0, 1, 0, 0, 2, 1, 0])
NAMES = np.array(["law", "code", "maths"])[LABELS]


@pytest.fixture(autouse=True)
def sae(engine: sa.Engine) -> None:
    for layer in (1, 2):
        with engine.begin() as connection:
            without_weights.store_names(connection, features=N, model_name="m", layer=layer)


def _ingest(engine: sa.Engine, path: Path, **options: Any) -> Any:
    return clustering.ingest_clustering(engine, path, **{"sae": "1"} | options)


def _write(path: Path, frame: Any) -> Path:
    frame = pd.DataFrame(frame)
    match path.suffix:
        case ".parquet":
            frame.to_parquet(path, index=False)
        case ".json":
            path.write_text(json.dumps(frame.to_dict("list")))
        case ".npz":
            np.savez(path, **{name: frame[name].to_numpy() for name in frame})
        case ".tsv":
            frame.to_csv(path, index=False, sep="\t")
        case _:
            frame.to_csv(path, index=False, sep=";" if "semi" in path.name else ",")
    return path


def _partition(engine: sa.Engine, run: int, level: str) -> dict[int, int]:
    with engine.connect() as connection:
        c, own = tables.lobe_member.c, tables.clustering.c
        query = sa.select(c.feature, c.lobe).join(tables.clustering, own.id == c.clustering)
        rows = connection.execute(query.where(own.run == run, own.affinity == level))
        return {row.feature: row.lobe for row in rows}


FORMS = ["c.csv", "semi.csv", "c.csv.gz", "c.tsv", "c.parquet", "c.json", "c.npz"]


@pytest.mark.parametrize("name", FORMS)
def test_levels_of_every_form(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"feature": np.arange(N), "fine": LABELS, "coarse": LABELS % 2})
    path = _write(tmp_path / name, frame.sample(frac=1, random_state=0))
    done = _ingest(engine, path)
    assert done.created and not _ingest(engine, path).created
    assert _partition(engine, done.run, "fine") == dict(enumerate(LABELS.tolist()))
    assert _partition(engine, done.run, "coarse") == dict(enumerate((LABELS % 2).tolist()))
    rows = rows_of(engine, tables.clustering)
    found = {(row.affinity, row.k, row.n_lobes, row.n_features, row.ncut) for row in rows}
    assert found == {("fine", 3, 3, N, None), ("coarse", 2, 2, N, None)}
    [run] = rows_of(engine, tables.run)
    assert (run.analysis, run.sae, run.params["file"]) == ("lobes", 1, name)
    assert len(run.params["file_sha256"]) == 64 and run.quality["n_features"] == N


def test_arrays_and_lists_without_features(engine: sa.Engine, tmp_path: Path) -> None:
    wanted = dict(enumerate(LABELS.tolist()))
    np.save(tmp_path / "a.npy", LABELS.astype(np.uint8))
    assert _partition(engine, _ingest(engine, tmp_path / "a.npy").run, "cluster") == wanted
    np.save(tmp_path / "b.npy", np.column_stack([LABELS, LABELS % 2]).astype(float))
    run = _ingest(engine, tmp_path / "b.npy").run
    assert _partition(engine, run, "level_0") == wanted
    np.save(tmp_path / "t.npy", NAMES)
    _ingest(engine, tmp_path / "t.npy")
    (tmp_path / "x.csv").write_text("\n".join(["louvain", *map(str, LABELS)]))
    assert _partition(engine, _ingest(engine, tmp_path / "x.csv").run, "louvain") == wanted


JSON: dict[str, Any] = {
    "by feature": {str(f): int(c) for f, c in enumerate(LABELS)},
    "in order": LABELS.tolist(),
    "members": [np.flatnonzero(c == LABELS).tolist() for c in range(3)],
    "members by name": {str(c): np.flatnonzero(c == LABELS).tolist() for c in range(3)},
    "rows": [{"feature": f, "cluster": int(c)} for f, c in enumerate(LABELS)],
    "rows by feature": {str(f): {"cluster": int(c)} for f, c in enumerate(LABELS)},
    "columns": {"feature": list(range(N)), "cluster": LABELS.tolist()},
    "columns in order": {"cluster": LABELS.tolist(), "other": NAMES.tolist()},
}


@pytest.mark.parametrize("form", JSON)
def test_json(engine: sa.Engine, tmp_path: Path, form: str) -> None:
    (tmp_path / "c.json").write_text(json.dumps(JSON[form]))
    run = _ingest(engine, tmp_path / "c.json").run
    assert _partition(engine, run, "cluster") == dict(enumerate(LABELS.tolist()))


def test_names_and_no_cluster(engine: sa.Engine, tmp_path: Path) -> None:
    """Texts are numbered by size; -1, gaps and the empty text are no cluster."""
    frame = pd.DataFrame({"feature": np.arange(N), "named": NAMES.astype(object),
                          "noise": np.where(LABELS == 1, -1, LABELS + 5)})  # fmt: skip
    frame.loc[[0, 3], "named"] = None
    done = _ingest(engine, _write(tmp_path / "c.csv", frame))
    assert done.summary.endswith(
        f"named (3 clusters), noise (2 clusters); 18 features of {N} have one."
    )
    members = _partition(engine, done.run, "named")
    assert members.keys() == set(range(N)) - {0, 3}
    lobes = saeatlas.connect().query(f"lobes of named k 3 in run {done.run}")
    assert lobes["name"].tolist() == ["law", "code", "maths"]
    assert lobes["n_features"].tolist() == [8, 6, 4]
    noise = _partition(engine, done.run, "noise")
    assert noise == {f: int(c) // 2 for f, c in enumerate(LABELS) if c != 1}
    found = saeatlas.connect().query('features of sae 1 where lobe = 1 of "named" k 3')
    assert found["feature"].tolist() == np.flatnonzero(LABELS == 1).tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_numbers_as_floats(engine: sa.Engine, tmp_path: Path, suffix: str) -> None:
    """As pandas writes integers with gaps."""
    frame = pd.DataFrame({"feature": np.arange(N), "c": np.where(LABELS == 2, np.nan, LABELS)})
    done = _ingest(engine, _write(tmp_path / f"c.{suffix}", frame))
    wanted = {f: int(c) for f, c in enumerate(LABELS) if c != 2}
    assert _partition(engine, done.run, "c") == wanted


def test_columns_by_name(engine: sa.Engine, tmp_path: Path) -> None:
    frame = {
        "latent": range(N),
        "leiden 0.5": LABELS,
        "density": np.linspace(0, 1, N),
        "phi": LABELS,
    }
    path = _write(tmp_path / "c.csv", frame)
    run_command(["ingest", "clustering", str(path), "--sae", "1", "--column", "feature=latent",
                 "--column", "leiden 0.5", "--column", "theirs=phi"])  # fmt: skip
    assert [row.affinity for row in rows_of(engine, tables.clustering)] == ["leiden 0.5", "theirs"]
    atlas = saeatlas.connect()
    assert len(atlas.query('features of sae 1 where lobe = 0 of "leiden 0.5" k 3')) == 10
    assert len(atlas.query('lobes of "leiden 0.5" k 3')) == 3
    with pytest.raises(errors.BadQuery, match=r"no lobes by 'leidn'(.|\n)*leiden 0.5"):
        atlas.query("lobes of leidn k 3")


BAD: dict[str, tuple[Any, str]] = {
    "no rows": ("feature,cluster\n", "holds no rows"),
    "empty": ("", "holds no rows"),
    "high": ("feature,cluster\n1,0\n20,1\n", r"row 2: there is no feature 20(.|\n)*0 to 19"),
    "low": ("feature,cluster\n-1,0\n", "row 1: there is no feature -1"),
    "fraction": ("feature,cluster\n1.5,0\n", "'1.5' is not a feature"),
    "text": ("feature,cluster\nx,0\n", "'x' is not a feature"),
    "missing feature": ("feature,cluster\n,0\n", "is not a feature"),
    "twice": ("feature,cluster\n1,0\n1,0\n", "feature 1: it has several rows"),
    "column twice": ("feature,c,c\n1,0,0\n", "has 2 columns 'c'"),
    "too few fields": ("feature,cluster\n1,0\n2\n", "line 3: this row has 1 fields, the header 2"),
    "density": ("feature,c\n1,0.5\n2,0.25\n", "feature 1: its c is .0.5., not a whole number"),
    "no cluster": ("feature,c\n1,-1\n2,\n", "no feature has a cluster in column 'c'"),
    "other name": ("latent,c\n1,0\n2,1\n", r"no column 'feature'(.|\n)*feature=latent"),
    "misspelt": (
        "fature,c\n" + "".join(f"{N - f},{f % 2}\n" for f in range(N)),
        r"no column 'feature', and 'fature' may have them(.|\n)*--column feature=fature",
    ),
    "index": (",c\n1,0\n2,1\n", "no column 'feature'"),
    "only features": ("feature\n1\n2\n", "a column of features and no other"),
    "no name": ("feature,,b\n" + "".join(f"{f},{f % 2},1\n" for f in range(N)), "without a name"),
    "short": ("c\n0\n1\n", r"it has 2 rows(.|\n)*each of the 20 features"),
    "ids": (
        "feature,c\n" + "".join(f"{f},x{f}\n" for f in range(N)),
        "does not look like clusters",
    ),
    "two ids": ("feature,a,b\n" + "".join(f"{f},{f},1\n" for f in range(N)), "does not look like"),
    "a number spoiled": ("feature,c\n0,1\n1,1\n2,0x1\n", "feature 2: its c is '0x1', not a whole"),
    "json mixed numbers": (
        {str(f): "x" if f == 3 else 1 for f in range(N)},
        "feature 3: its .* 'x'",
    ),
    "json bool": ({str(f): True if f == 3 else 1 for f in range(N)}, "feature 3: its .* True"),
    "only nan": ("feature,c\n0,nan\n1,NaN\n", "no feature has a cluster"),
    "affinity": ("feature,phi\n1,0\n2,1\n", "called 'phi', like an affinity"),
    "nul": ("feature,c\n1,a\0b\n2,a\0b\n", "NUL"),
    "quote": ('feature,c\n1,"a\n', "CSV|several|fields"),
    "latin1": (b"feature,c\n1,\xe9\n", "not UTF-8"),
    "json list": ([[1, 2], [2]], "feature 2: it has several rows"),
    "json depth": ({"a": {"b": {"c": 1}}}, "is not a feature|no single value"),
    "json number": (3, "holds no values of features"),
    "json empty": ({}, "holds no values of features"),
    "json mixed": ([1, [2]], "no single value"),
    "array": (np.zeros((N, 2, 2)), "no array with a value for each of 20"),
    "long array": (np.zeros(N + 1, int), r"no array(.|\n)*shape \(21,\)"),
    "objects": (np.array([{}], object), "Python objects"),
    "float array": (np.linspace(0.1, 0.9, N), "not a whole number|does not look like"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_bad_files(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    path = tmp_path / "c.csv"
    if isinstance(content, np.ndarray):
        path = tmp_path / "c.npy"
        np.save(path, content, allow_pickle=True)
    elif isinstance(content, str | bytes):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        path = tmp_path / "c.json"
        path.write_text(json.dumps(content))
    with pytest.raises(errors.BadTable, match=message):
        _ingest(engine, path)
    assert rows_of(engine, tables.run) == [] and rows_of(engine, tables.clustering) == []


def test_wrong_words(engine: sa.Engine, tmp_path: Path) -> None:
    path = _write(tmp_path / "c.csv", {"feature": range(N), "c": LABELS})
    with pytest.raises(errors.BadTable, match=r"no file(.|\n)*c.csv"):
        _ingest(engine, tmp_path / "d.csv")
    with pytest.raises(errors.UnknownName, match="no SAE 'x'"):
        _ingest(engine, path, sae="x")
    with pytest.raises(errors.BadTable, match=r"no column 'd'(.|\n)*Known: c, feature"):
        _ingest(engine, path, columns={"x": "d"})
    (tmp_path / "c.xlsx").touch()
    with pytest.raises(errors.BadTable, match=r"not of a kind(.|\n)*\.npz"):
        _ingest(engine, tmp_path / "c.xlsx")


def test_round_trips(engine: sa.Engine, tmp_path: Path) -> None:
    """Our exports, and the view's rows, are the run that is there."""
    first = _ingest(
        engine, _write(tmp_path / "c.csv", {"feature": range(N), "a": LABELS, "b": NAMES})
    )
    atlas = saeatlas.connect()
    wanted = atlas.lobes(first.run, 3, affinity="a")
    for suffix in ("csv", "parquet"):
        path = tmp_path / f"features.{suffix}"
        run_command(f"export features 1 {path}")
        done = _ingest(engine, path)
        assert (done.run, done.created) == (first.run, False)
        with pytest.raises(errors.BadTable, match=r"row 1: its sae_id is(.|\n)*--sae"):
            _ingest(engine, path, sae="2")
        frame = atlas.sql(f"select * from lobe_features where run = {first.run}")
        long = _ingest(engine, _write(tmp_path / f"members.{suffix}", frame))
        assert (long.run, long.created) == (first.run, False)
        series = _write(tmp_path / f"series.{suffix}", wanted.reset_index())
        run = _ingest(engine, series).run
        assert atlas.lobes(run, 3).equals(wanted)
        with engine.begin() as connection:
            remove_run(connection, run)


def _contents(engine: sa.Engine, run: int) -> dict[tuple[str, int], dict[int, tuple[int, str]]]:
    """Read levels with the number and the name of each feature's cluster."""
    with engine.connect() as connection:
        query = sa.text("select * from atlas.lobe_features where run = :run order by feature")
        rows = connection.execute(query, {"run": run}).all()
    found: dict[tuple[str, int], dict[int, tuple[int, str]]] = {}
    for row in rows:
        found.setdefault((row.affinity, row.k), {})[row.feature] = (row.lobe, row.name)
    return found


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_round_trip_keeps_names_and_numbers(
    engine: sa.Engine, tmp_path: Path, suffix: str
) -> None:
    """Levels whose names end as exports write them, gaps, numbers as names, many small clusters."""
    few = np.where(LABELS == 2, -1, LABELS * 10 + 3)
    frame = {"feature": range(N), "z_k3": LABELS, "fine": NAMES, "gaps": few,
             "pairs": np.arange(N) // 2, "mixed": np.where(LABELS == 1, "x", "7")}  # fmt: skip
    first = _ingest(engine, _write(tmp_path / "c.csv", frame), columns={n: n for n in frame})
    wanted = _contents(engine, first.run)
    assert wanted.keys() == {("z_k3", 3), ("fine", 3), ("gaps", 2), ("pairs", 10), ("mixed", 2)}
    features, members = tmp_path / f"f.{suffix}", tmp_path / f"m.{suffix}"
    run_command(f"export features 1 {features}")
    _write(members, saeatlas.connect().sql("select * from lobe_features order by random()"))
    for path in (features, members):
        remove = rows_of(engine, tables.run)[-1].id
        with engine.begin() as connection:
            remove_run(connection, remove)
        done = _ingest(engine, path)
        assert done.created and _contents(engine, done.run) == wanted
    read = pd.read_csv if suffix == "csv" else pd.read_parquet
    exported: pd.DataFrame = read(features)
    assert exported["fine_k3"].tolist() == NAMES.tolist()
    assert exported["z_k3_k3"].astype(int).tolist() == LABELS.tolist()


@pytest.mark.slow
def test_computed_lobes_come_back_once(engine: sa.Engine, tmp_path: Path) -> None:
    """Lobes of phi become level phi_k3; the next export has both, which are equal."""
    with engine.begin() as connection:
        for labels in (LABELS, LABELS[::-1].copy()):
            key = runs.input_hash(labels=labels.tolist())
            run = runs.create(connection, "lobes", key, sae=1, params={}, quality={})
            phi = clusterings.Clustering("phi", 3, np.arange(N), labels, {}, {})
            clusterings.write(connection, run, [phi])
    for created in (True, False):
        run_command(f"export features 1 {tmp_path / 'f.csv'}")
        done = _ingest(engine, tmp_path / "f.csv")
        assert (done.run, done.created) == (3, created)
        assert done.content.startswith("phi_k3 (3 clusters); 20")
    assert _partition(engine, 3, "phi_k3") == dict(enumerate(LABELS[::-1].tolist()))
    own = "select * from lobe_features where run < 3"
    long = _ingest(engine, _write(tmp_path / "m.csv", saeatlas.connect().sql(own)))
    assert long.content.startswith("phi_k3_run1 (3 clusters), phi_k3_run2 (3 clusters)")
    assert _partition(engine, long.run, "phi_k3_run1") == dict(enumerate(LABELS.tolist()))


def test_levels_of_one_name(engine: sa.Engine, tmp_path: Path) -> None:
    """Of several runs: told apart if they differ, one if they are equal; else refused."""
    atlas = saeatlas.connect()
    mine = NAMES[::-1].copy()
    for name, labels in (("a", NAMES), ("b", mine), ("c", NAMES)):
        frame = {"feature": range(N), "fine": labels, name: LABELS % 2}
        _ingest(engine, _write(tmp_path / f"{name}.csv", frame))
    run_command(["sql", "select * from lobe_features where release is not null",
                        "--format", "csv", "--output", str(tmp_path / "l.csv")])  # fmt: skip
    said = run_command(["ingest", "clustering", str(tmp_path / "l.csv"), "--sae", "1"])
    assert said.startswith("Run 4: ingested. ") and "fine_run3 (3 clusters)" in said
    found = _contents(engine, 4)
    assert {name for name, _ in found} == {"fine_run1", "fine_run2", "fine_run3", *"abc"}
    assert [found["fine_run2", 3][f][1] for f in range(N)] == mine.tolist()
    again = _write(tmp_path / "l2.csv", atlas.sql("select * from lobe_features"))
    assert _ingest(engine, again).run == 4, "what was told apart is there"
    without_run = atlas.sql("select * from lobe_features where affinity = 'fine'").drop(
        columns="run"
    )
    done = _ingest(engine, _write(tmp_path / "w.parquet", without_run))
    assert "fine_clustering1 (3 clusters)" in done.content
    equal = atlas.sql("select * from lobe_features where affinity = 'fine' and run in (1, 3)")
    done = _ingest(engine, _write(tmp_path / "e.csv", equal))
    assert done.content.startswith("fine (3 clusters); ")
    frame = {"release": "r", "layer": 1, "feature": range(N), "phi_k3": NAMES, "phi_k3_k3": mine}
    frame["release"] = atlas.sql("select release from saes where sae = 1")["release"][0]
    path = _write(tmp_path / "d.csv", frame)
    with pytest.raises(errors.BadTable, match="two clusterings 'phi_k3' with 3 clusters"):
        _ingest(engine, path)
    np.savez(tmp_path / "d.npz", value_0=LABELS, level_0=LABELS[::-1])
    with pytest.raises(errors.BadTable, match="two clusterings 'level_0' with 3 clusters"):
        _ingest(engine, tmp_path / "d.npz")


def test_removing_it(engine: sa.Engine, tmp_path: Path) -> None:
    atlas = saeatlas.connect()
    a = atlas.ingest.clustering(
        path=_write(tmp_path / "a.csv", {"feature": range(N), "a": LABELS}), sae=1
    )
    b = atlas.ingest.clustering(
        path=_write(tmp_path / "b.csv", {"feature": range(N), "b": NAMES}), sae=1
    )
    run = atlas.analyze.agreement(run=a, other=b)
    assert atlas.analyze.agreement(run=a, other=b) == run
    with engine.begin() as connection:
        remove_run(connection, b)
    assert [row.id for row in rows_of(engine, tables.run)] == [a]
    assert rows_of(engine, tables.agreement) == []


def test_agreement_equals_sklearns(engine: sa.Engine, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"feature": np.arange(N), "a": LABELS, "b": rng.permutation(LABELS),
                          "c": np.where(rng.random(N) < 0.3, -1, LABELS // 2)})  # fmt: skip
    one = _ingest(engine, _write(tmp_path / "one.csv", frame)).run
    two = _ingest(engine, _write(tmp_path / "two.csv", frame[["feature", "c"]].head(15))).run
    rare = _ingest(engine, _write(tmp_path / "r.csv", {"feature": [0, 19], "z": ["x", "x"]})).run
    said = run_command(f"analyze agreement {one} {two}")
    assert "select * from agreements where run = 4" in said
    atlas = saeatlas.connect()
    atlas.analyze.agreement(run=one, other=one)
    found = atlas.sql("select * from agreements order by run, clustering, other")
    assert len(found) == 3 + 3
    for row in found.itertuples():
        ours, theirs = frame[row.affinity], frame[row.other_affinity]
        both = (ours >= 0) & (theirs >= 0)
        if row.other_run == two:
            both &= frame["feature"] < 15
        assert row.n == both.sum()
        assert row.ami == pytest.approx(adjusted_mutual_info_score(ours[both], theirs[both]))
    with pytest.raises(errors.InputError, match="one clustering, and nothing else"):
        atlas.analyze.agreement(run=two, other=two)
    with pytest.raises(errors.UnknownName, match="Run 99 is not a run of lobes"):
        atlas.analyze.agreement(run=two, other=99)
    other = _ingest(engine, tmp_path / "one.csv", sae="2").run
    with pytest.raises(errors.InputError, match="of SAE 1, run 6 of SAE 2"):
        atlas.analyze.agreement(run=two, other=other)
    few = _write(tmp_path / "few.csv", {"feature": [5, 6], "y": ["x", "x"]})
    run = atlas.analyze.agreement(run=rare, other=_ingest(engine, few).run)
    empty = atlas.sql(f"select n, ami from agreements where run = {run}")
    assert empty["n"].tolist() == [0] and empty["ami"].isna().all()


def test_only_the_named_columns_are_read(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wide file does not fill the memory, and says what to do."""
    wide = pd.DataFrame({f"c{i}": LABELS for i in range(30)}).assign(feature=np.arange(N))
    monkeypatch.setattr(columns, "VALUES", 200)
    for name in ("w.csv", "w.parquet"):
        path = _write(tmp_path / name, wide)
        with pytest.raises(errors.BadTable, match=r"more than 200 values in 31(.|\n)*--column"):
            _ingest(engine, path)
        assert _ingest(engine, path, columns={"mine": "c7"}).content.startswith("mine (3 clusters)")
        with pytest.raises(errors.BadTable, match=r"no column 'c99'(.|\n)*Nearest: c9"):
            _ingest(engine, path, columns={"mine": "c99"})
    monkeypatch.setattr(arrays, "VALUES", 50)
    np.save(tmp_path / "w.npy", np.zeros((N, 4), int))
    np.savez(tmp_path / "w.npz", a=np.zeros((N, 4), int))
    for name in ("w.npy", "w.npz"):
        with pytest.raises(errors.BadTable, match="has more than 50 values"):
            _ingest(engine, tmp_path / name)
    monkeypatch.setattr(columns, "ROWS", 2)
    (tmp_path / "long.csv").write_text("feature,c\n" + "0,1\n" * (2 * N + 1))
    with pytest.raises(errors.BadTable, match="more than 40 rows, 2 for each feature"):
        _ingest(engine, tmp_path / "long.csv")
