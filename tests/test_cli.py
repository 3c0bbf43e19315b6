"""The command line: what a user sees, on good days and bad ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

import saeatlas
from saeatlas import cli
from saeatlas.schema import tables
from tests.support import tiny


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command's entry in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from saeatlas.cli import main; main()", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        check=False,
    )


def inside(*words: str) -> Result:
    """Run a command in this process, which has imported already what commands need."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli.cli, words, catch_exceptions=False)


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += _commands(command, (*path, name))
    return found


@pytest.mark.parametrize("words", _commands(cli.cli), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    command: click.Command = cli.cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            assert parameter.help or parameter.type.name == "choice", parameter.name


def test_help_is_light() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from saeatlas.cli import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        "heavy = {'torch', 'sklearn', 'transformers', 'sae_lens', 'datasets', 'pandas', 'numpy',"
        "'sqlalchemy', 'rich'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_query_is_light(database_url: str) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from saeatlas.cli import cli;"
        "assert CliRunner().invoke(cli, ['query', 'saes']).exit_code == 0;"
        "heavy = {'torch', 'sklearn', 'pandas', 'numpy', 'alembic', 'rich', 'prompt_toolkit',"
        "'pyarrow'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_python_m_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "saeatlas", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"saeatlas, version {saeatlas.__version__}\n"


@pytest.mark.slow
def test_from_files_to_answers(database_url: str, tmp_path: Path) -> None:
    model = tiny.make_model(tmp_path / "model")
    tiny.make_sae(tmp_path / "saes" / "one")
    corpus = tiny.write_corpus(tmp_path / "texts.jsonl", [40, 70, 20, 60])
    done = run("ingest", "sae", "--path", str(tmp_path / "saes" / "one"))
    assert done.stdout == "SAE 1  saes/one  96 features of 24 dimensions: ingested\n"
    again = inside("ingest", "sae", "--path", str(tmp_path / "saes" / "one"))
    assert again.stdout.endswith("already there, unchanged\n")
    words = (
        "ingest activations --sae saes --subset-field meta.pile_set_name --context 65 --block 16 "
        f"--force --model {model} --corpus {corpus}"
    ).split()
    recorded = inside(*words)
    assert recorded.exit_code == 0, recorded.stderr
    assert "4 documents recorded" in recorded.stdout and "4/4" in recorded.stderr
    status = inside("status").stdout
    assert "saes" in status and "A (2), B (2)" in status and "complete" in status
    query = "select subset, count(*) as n from block_activations group by subset order by subset"
    rows = json.loads(inside("sql", query, "--format", "json").stdout)
    assert [row["subset"] for row in rows] == ["A", "B"] and all(row["n"] for row in rows)
    assert inside("sql", query, "--format", "csv").stdout.splitlines()[0] == "subset,n"
    out = tmp_path / "out.parquet"
    assert inside("sql", query, "--format", "parquet", "--output", str(out)).exit_code == 0
    assert pd.read_parquet(out).subset.tolist() == ["A", "B"]
    assert "Removed recording 1" in inside("remove", "recording", "1").stdout
    assert "Removed SAE 1" in inside("remove", "sae", "saes/one").stdout
    assert "Removed corpus 1" in inside("remove", "corpus", "1").stdout
    assert inside("status").stdout.count("none yet") == 5


@pytest.mark.slow
def test_ctrl_c_ends_in_a_sentence_and_the_same_command_goes_on(
    database_url: str, engine: sa.Engine, tmp_path: Path
) -> None:
    model = tiny.make_model(tmp_path / "model")
    tiny.make_sae(tmp_path / "saes" / "one")
    corpus = tiny.write_corpus(tmp_path / "texts.jsonl", [40, 70, 20, 60] * 200)
    run("ingest", "sae", "--path", str(tmp_path / "saes" / "one"))
    words = (
        "ingest activations --sae saes --context 65 --block 16 --batch-tokens 70 --force "
        f"--model {model} --corpus {corpus}"
    ).split()
    child = subprocess.Popen(
        [sys.executable, "-c", "from saeatlas.cli import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    recorded = sa.select(tables.recording.c.n_documents, tables.recording.c.state)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not (row := connection.execute(recorded).one_or_none()) or not row.n_documents:
            assert child.poll() is None, child.stderr
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
        assert child.returncode == 130 and "Traceback" not in said
        assert "Run the same command again to continue" in said and said.endswith("Stopped.\n")
        row = connection.execute(recorded).one()
        assert 0 < row.n_documents < 800 and row.state == "running"
        done = run(*words)
        assert done.returncode == 0, done.stderr
        assert tuple(connection.execute(recorded).one()) == (800, "complete")


def _mistakes(tmp_path: Path) -> dict[str, tuple[str, str]]:
    bare = tmp_path / "bare.npy"
    np.save(bare, np.full((2, 3), np.nan, np.float32))
    return {
        "no sae": ("remove sae nothing", "There is no SAE 'nothing'"),
        "no recording": ("remove recording 7", "saeatlas status"),
        "nan": (f"ingest sae --path {bare}", "NaN"),
        "no file": (f"ingest sae --path {tmp_path}/bear.npy", "bare.npy"),
        "no name": ("ingest sae --release gpt2-small-res-jb", "--sae-id"),
        "release": ("ingest layers 0-3 --release gpt2-small-res-jbb", "gpt2-small-res-jb"),
        "sql": ("sql selec", "syntax error"),
        "corpus": (
            f"ingest activations --model m --sae s --corpus {tmp_path}/x.jsonl", "There is no"
        ),
        "server": ("db upgrade", "postgresql://"),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["no sae", "no recording", "nan", "no file", "no name", "release", "sql", "corpus", "server"],
)
def test_a_users_mistake_ends_in_a_sentence(
    database_url: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, message = _mistakes(tmp_path)[name]
    if name == "server":
        monkeypatch.setenv("SAEATLAS_DATABASE_URL", "oracle://x")
    done = run(*words.split())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.startswith("Error: ") and message in done.stderr


def test_parquet_wants_a_file(database_url: str) -> None:
    done = run("sql", "select 1", "--format", "parquet")
    assert done.returncode == 2 and "--output" in done.stderr


@pytest.mark.slow
def test_a_reader_that_leaves_early_is_no_error(database_url: str) -> None:
    command = f"{sys.executable} -c 'from saeatlas.cli import main; main()' sql "
    command += "'select generate_series(1, 300000)' --format csv --limit 300000 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("generate_series\n", "")
