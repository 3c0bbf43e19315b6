"""Every option of every command, with numbers out of any range and texts that are none."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from saeatlas import cli, errors
from saeatlas.analyses.counting.params import Params as Counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.crystals.params import Params as Crystals
from saeatlas.analyses.lobes.geometry import Params as Geometry
from saeatlas.analyses.lobes.params import Params as Lobes
from saeatlas.analyses.maps.maps import Params as Maps
from saeatlas.analyses.relations.relations import Params as Relations
from saeatlas.analyses.spatiality.params import Params as Spatiality
from saeatlas.analyses.spectra.params import Params as Spectra
from saeatlas.analyses.subsets.inputs import Params as Subsets
from saeatlas.catalog.annotated import Params as Annotated
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.simulation import Params as Simulation
from saeatlas.schema.database import connect
from tests.conftest import create_database, drop_database
from tests.malformed import seeds
from tests.support import tiny
from tests.support.commands import run_command

NO_TEXT = "\udcff"
"""A byte of the command line that is not UTF-8, as Python gives it."""

HOSTILE = {
    "integer": ("-1", "99999999999999999999"),
    "integer range": ("-1", "99999999999999999999"),
    "float": ("nan", "1e39", "-1"),
    "float range": ("nan", "-1"),
    "text": (NO_TEXT,),
    "path": (NO_TEXT,),
    "file": (NO_TEXT,),
}
LEFT_OUT = {("shell",), ("demo",), ("db", "start"), ("db", "stop")}
"""Commands that ask, take long, or have no options."""


def _commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        elif (*path, name) not in LEFT_OUT:
            yield (*path, name), command


COMMANDS = dict(_commands(cli.cli))


@pytest.fixture(scope="module")
def things(server_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A catalog with a recording and runs, a model and files: valid values by parameter."""
    folder = tmp_path_factory.mktemp("flags")
    url = create_database(server_url, "flags")
    os.environ["SAEATLAS_DATABASE_URL"], before = url, os.environ.get("SAEATLAS_DATABASE_URL")
    run_command("ingest simulated --features 60 --d-model 24 --blocks 60 --parallelograms 0 "
                "--trapezoids 0 --layer 1")  # fmt: skip
    run_command("analyze cooccurrence --recording 1 --threshold 0")
    run_command("analyze lobes --cooccurrence 1 --affinity phi --k 2")
    run_command("analyze geometry --sae 1 --k 2")
    model = tiny.make_model(folder / "model")
    table = folder / "t.csv"
    seeds.TABLE.assign(feature=lambda t: t.feature % 60).to_csv(table, index=False)
    (folder / "pairs.json").write_text('[{"input": "the", "output": "of"}]')
    corpus = tiny.write_corpus(folder / "x.jsonl", [30, 30])
    yield {
        "sae": "1", "saes": "1", "release": "simulated", "recording": "1", "cooccurrence": "1",
        "lobes": "2", "geometry": "3", "model": str(model), "corpus": str(corpus),
        "path": str(table), "layers": "0", "run": "1", "other": "3", "text": "saes",
        "query": "select 1", "number": "77", "name": "nothing", "pairs": str(folder / "pairs.json"),
    }  # fmt: skip
    if before is not None:
        os.environ["SAEATLAS_DATABASE_URL"] = before
    drop_database(server_url, "flags")


def _words(words: tuple[str, ...], command: click.Command, given: dict[str, str]) -> list[str]:
    """Write a command with these values."""
    found = list(words)
    for parameter in command.params:
        value = given.get(str(parameter.name))
        if value is None:
            continue
        if isinstance(parameter, click.Option):
            found.append(f"{parameter.opts[0]}={value}")
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    return [*found, "--", *(given[str(p.name)] for p in arguments if str(p.name) in given)]


def _cases() -> Iterator[Any]:
    for words, command in COMMANDS.items():
        for parameter in command.params:
            for value in HOSTILE.get(parameter.type.name, ()):
                name = f"{' '.join(words)} {parameter.name}={value!r}"
                yield pytest.param(words, str(parameter.name), value, id=name)


def _main(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["saeatlas", *words])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.slow
@pytest.mark.parametrize(("words", "name", "value"), _cases())
def test_a_value_that_cannot_be_is_refused_in_a_sentence(
    things: dict[str, str], words: tuple[str, ...], name: str, value: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    command = COMMANDS[words]
    needed = {str(p.name) for p in command.params if p.required} | {"pairs"}
    if words in (("analyze", "maps"), ("analyze", "spectra"), ("db", "index")):
        needed |= {"saes"} - ({"saes"} if name == "release" else set())
    if words == ("analyze", "crystals"):
        needed |= {"sae"} - ({"sae"} if name == "words" else set())
    if words == ("ingest", "words"):
        needed |= {"model", "layers"}
    given = {key: things[key] for key in needed if key in things} | {name: value}
    status = _main(_words(words, command, given), monkeypatch)
    said = capsys.readouterr().err
    assert "Traceback" not in said and len(said.splitlines()) <= 20, said
    must_fail = value == "nan" or (value, name) == (NO_TEXT, "sae") or name == "seed"
    assert status in ((1, 2) if must_fail and name != "timeout" else (0, 1, 2)), said


NAN, HUGE = float("nan"), 10**5000


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Maps, {"perplexity": NAN}), (Maps, {"perplexity": "30"}), (Maps, {"dimensions": 4}),
        (Maps, {"perplexity": HUGE}), (Maps, {"seed": 1.5}), (Maps, {"seed": True}),
        *((kind, {"seed": seed}) for seed in (-1, 2**32, HUGE, "0") for kind in
          (Maps, Crystals, Geometry, Lobes, Spectra, Subsets, Relations, Simulation)),
        (Spatiality, {"seed": -1, "geometry": 3}), (Spatiality, {"trials": NAN, "geometry": 3}),
        (Lobes, {"ks": [0]}), (Lobes, {"ks": [2.5]}), (Lobes, {"ks": [HUGE]}),
        (Lobes, {"min_blocks": -1}), (Geometry, {"ks": []}), (Geometry, {"ks": ["2"]}),
        (Subsets, {"ks": [-1]}), (Spectra, {"trials": 1}), (Spectra, {"components": [0]}),
        (Spectra, {"neighbours": [NAN]}), (Crystals, {"neighbours": 0}),
        (Crystals, {"min_cosine": NAN}), (Crystals, {"fdr": 2}), (Relations, {"trials": 1}),
        (Counting, {"min_blocks": 0}), (Annotated, {"above": NAN}), (Annotated, {"above": "x"}),
        (Options, {"keep_above": 1e39}), (Options, {"keep_above": NAN}),
        (Options, {"keep_above": -1}), (Options, {"documents": 0}), (Options, {"documents": 1.5}),
        (Options, {"batch_tokens": HUGE}), (Simulation, {"active": NAN}),
        (Simulation, {"features": 1.5}), (Simulation, {"dead": "0.1"}),
        (Threshold, {"above": NAN}), (Threshold, {"above": 1e39}),
    ],
    ids=lambda value: value.__module__.split(".")[-2] if isinstance(value, type) else None,
)  # fmt: skip
def test_parameters_of_python_are_checked_too(kind: Any, values: dict[str, Any]) -> None:
    first = () if kind in (Annotated, Options, Simulation, Threshold) else (1,)
    with pytest.raises(errors.InputError):
        kind(*first, **values)


@pytest.mark.parametrize("device", ["meta", "nowhere", "cuda:99", "cpu:x", "", NO_TEXT])
def test_devices_that_are_not_there(device: str) -> None:
    from saeatlas.ingest.models import hooked_model

    with pytest.raises(errors.InputError, match="--device"):
        hooked_model.choose_device(device)


def test_texts_that_cannot_be_stored_are_refused_by_every_connection(engine: sa.Engine) -> None:
    for text in (NO_TEXT, "a\0b"):
        with engine.connect() as connection, pytest.raises(errors.InputError):
            connection.execute(sa.text("select :a"), {"a": text})
    other = connect.reader(engine)
    with other.connect() as connection, pytest.raises(errors.InputError):
        connection.execute(sa.text("select :a"), {"a": NO_TEXT})


def test_messages_fit_a_screen_whatever_they_name() -> None:
    names = [f"a name\n{'x' * 50} {i}" for i in range(10_000)]
    error = errors.InputError(", ".join(names), available="\n".join(names), hint="\x1b[2J\0\udcff")
    assert len(str(error).splitlines()) <= 20 and len(str(error)) < 1_600
    assert str(error).encode().isascii() and "\x1b" not in str(error)
