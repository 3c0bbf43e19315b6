"""What works without the extras; a command that needs one says how to install it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from saeatlas import errors
from tests.support.commands import run_command

BLOCK = """
import importlib.abc, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Block())
"""


MAIN = "from saeatlas.cli import main; main()"


def _run(words: str, *without: str, code: str = MAIN) -> subprocess.CompletedProcess[str]:
    """Run a command, or Python, as if no package of some extras were installed."""
    packages = tuple(name for extra in without for name in errors.EXTRAS[extra])
    return subprocess.run(
        [sys.executable, "-c", BLOCK.format(packages=packages) + code, *words.split()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _simulate() -> None:
    words = "ingest simulated --features 300 --d-model 16 --lobes 2 --blocks 300"
    run_command(words)


@pytest.mark.slow
def test_the_base_installation_queries_and_exports(database_url: str, tmp_path: Path) -> None:
    _simulate()
    for words, said in (
        ("--help", "Usage: saeatlas"),
        ("status", "SAEs"),
        ("query saes --format csv", "sae,release"),
        ("query features --format json --limit 2", '"feature": 1'),
        ("sql select(1) --format csv", "1\n"),
        (f"export features 1 {tmp_path}/features.csv", "Wrote"),
    ):
        done = _run(words, *errors.EXTRAS)
        assert done.returncode == 0 and said in done.stdout, done.stderr


@pytest.mark.slow
def test_analyses_need_no_torch(database_url: str, tmp_path: Path) -> None:
    _simulate()
    for words in (
        "analyze cooccurrence --recording 1 --threshold 0 --engine sql",
        "analyze lobes --cooccurrence 1 --affinity phi --k 2",
        "analyze subsets --lobes 2 --documents all",
        "analyze geometry --sae 1 --cooccurrence 1 --k 2",
        "analyze spatiality --lobes 2 --geometry 4 --trials 9 --vector-trials 2",
        "analyze crystals --sae 1",
        "analyze spectra --sae 1 --components 10",
        "analyze maps --sae 1 --method pca",
        f"export cooccurrence 1 {tmp_path}/counts.npz",
    ):
        done = _run(words, "ingest")
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_needs_no_model_is_ingested_without_torch(database_url: str, tmp_path: Path) -> None:
    _simulate()
    table, labels = tmp_path / "table.csv", tmp_path / "labels.csv"
    table.write_text("document,block,feature,activation\ntale,0,7,2.5\n")
    labels.write_text("feature,text\n7,words about the sea\n")
    for words, extras in (
        ("ingest simulated --features 200 --d-model 16 --lobes 2 --blocks 200", errors.EXTRAS),
        (f"ingest labels --sae 1 --csv {labels}", errors.EXTRAS),
        (f"ingest table {table} --sae 1", ["ingest"]),  # pyarrow reads it
    ):
        done = _run(words, *extras)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("ingest sae --release gpt2-small-res-jb --sae-id blocks.0.hook_resid_pre", "ingest"),
        ("ingest layers 0-1 --release gpt2-small-res-jb", "ingest"),
        ("ingest activations --model m --sae s --corpus {folder}/x.jsonl", "ingest"),
        ("demo", "ingest"),
        ("analyze spectra --sae 1", "analyze"),
        ("query saes --format parquet --output {folder}/saes.parquet", "parquet"),
        ("export features 1 {folder}/features.parquet", "parquet"),
        ("export features 1 {folder}/features.h5ad", "anndata"),
    ],
)
def test_a_command_that_needs_an_extra_says_how_to_install_it(
    database_url: str, tmp_path: Path, words: str, extra: str
) -> None:
    _simulate()
    (tmp_path / "cfg.json").write_text("{}")  # what a folder of sae-lens has
    done = _run(words.format(folder=tmp_path), extra)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Error: This needs the package " in done.stderr
    assert done.stderr.endswith(f"Install it: pip install 'saeatlas[{extra}]'\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("analyze.lobes(cooccurrence=1)", "analyze"),
        ("analyze.maps(sae=1, method='pca')", "analyze"),
        ("analyze.cooccurrence(recording=1, engine='torch')", "ingest"),
        ("ingest.sae(release='gpt2-small-res-jb', sae_id='blocks.0.hook_resid_pre')", "ingest"),
    ],
)
def test_python_says_how_to_install_an_extra(database_url: str, call: str, extra: str) -> None:
    _simulate()
    code = f"""
import saeatlas
from saeatlas import errors
try:
    saeatlas.connect().{call}
except errors.MissingExtra as error:
    print(error)
"""
    done = _run("", extra, code=code)
    assert done.stdout.endswith(f"Install it: pip install 'saeatlas[{extra}]'\n"), done.stderr


def test_other_packages_are_not_taken_for_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="nonsense"), errors.extras():
        import nonsense  # type: ignore[import-not-found]  # noqa: F401


def test_extras_are_those_that_the_project_declares() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    declared = project["project"]["optional-dependencies"]
    spelled = {"sklearn": "scikit-learn"}
    for extra, packages in errors.EXTRAS.items():
        for package in packages:
            name = spelled.get(package, package).replace("_", "-")
            listed = [one.replace("_", "-") for one in declared[extra]]
            assert any(one.startswith(f"{name}>=") for one in listed), name
            base = " ".join(project["project"]["dependencies"])
            assert f"{name}>=" not in base.replace("_", "-")
