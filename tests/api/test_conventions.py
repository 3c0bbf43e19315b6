"""Every analysis and every ingestion from Python is called in the same way."""

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.crystals import params as crystals
from saeatlas.analyses.lobes import agreement, geometry
from saeatlas.analyses.lobes import params as lobes
from saeatlas.analyses.maps import maps
from saeatlas.analyses.relations import relations
from saeatlas.analyses.run_driver import Params
from saeatlas.analyses.spatiality import params as spatiality
from saeatlas.analyses.spectra import params as spectra
from saeatlas.analyses.subsets import inputs as subsets
from saeatlas.api.analyze import Analyze
from saeatlas.api.ingest import Ingest
from saeatlas.progress import Report, silent

PARAMS: dict[str, type[Params]] = {
    "cooccurrence": counting.Params,
    "lobes": lobes.Params,
    "geometry": geometry.Params,
    "agreement": agreement.Params,
    "spatiality": spatiality.Params,
    "subsets": subsets.Params,
    "spectra": spectra.Params,
    "maps": maps.Params,
    "crystals": crystals.Params,
    "relations": relations.Params,
}
"""The parameters of each analysis, by the name of its method."""


REQUIRED = ("sae", "recording", "cooccurrence", "lobes", "geometry", "space", "run", "other")
"""What an analysis cannot guess."""


RENAMED = {
    ("cooccurrence", "method"): "engine", ("spectra", "source"): "vectors",
    ("maps", "source"): "vectors",
}  # fmt: skip
"""Arguments that have another name than the parameter, which is stored with runs."""


def _methods(kind: type) -> list[Any]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return [
        pytest.param(method, id=f"{kind.__name__}.{name}")
        for name, method in found
        if not name.startswith("_")
    ]


EVERY = pytest.mark.parametrize("method", [*_methods(Analyze), *_methods(Ingest)])


def _arguments(method: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())[1:]  # but self


def _documented(method: Callable[..., Any]) -> list[str]:
    """Names in the docstring's section of parameters."""
    text = inspect.getdoc(method) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.DOTALL | re.MULTILINE)
    assert section is not None, "no section Parameters"
    heads = re.findall(r"^([\w, ]+) : \S", section[1], re.MULTILINE)
    return [name for head in heads for name in head.split(", ")]


@EVERY
def test_arguments_are_keywords_with_types(method: Callable[..., Any]) -> None:
    hints = get_type_hints(method)
    assert "return" in hints
    for argument in _arguments(method):
        assert argument.kind is inspect.Parameter.KEYWORD_ONLY, argument
        assert argument.name in hints and hints[argument.name] is not Any, argument


@EVERY
def test_arguments_are_documented_one_by_one(method: Callable[..., Any]) -> None:
    assert _documented(method) == [argument.name for argument in _arguments(method)]


@EVERY
def test_progress_comes_last(method: Callable[..., Any]) -> None:
    last = _arguments(method)[-1]
    assert last.name == "progress" and last.default is silent
    assert get_type_hints(method)["progress"] == Report


@pytest.mark.parametrize("name", PARAMS)
def test_every_parameter_of_an_analysis_is_an_argument(name: str) -> None:
    wanted = [RENAMED.get((name, one.name), one.name) for one in fields(PARAMS[name])]
    arguments = _arguments(getattr(Analyze, name))
    assert [one.name for one in arguments] == [*wanted, "progress"]


@pytest.mark.parametrize("name", PARAMS)
def test_defaults_are_those_of_the_parameters(name: str) -> None:
    given = {one.name: one.default for one in _arguments(getattr(Analyze, name))}
    for one in fields(PARAMS[name]):
        default = given[RENAMED.get((name, one.name), one.name)]
        if (name, one.name) == ("lobes", "seed"):
            assert default is None  # that of the preset
        elif (name, one.name) == ("cooccurrence", "threshold"):
            assert Threshold.parse(str(default)) == one.default
        elif default is inspect.Parameter.empty:
            assert one.name in REQUIRED
        else:
            assert default == one.default


def test_each_analysis_has_a_method() -> None:
    names = {name for name, _ in inspect.getmembers(Analyze, inspect.isfunction)}
    assert {name for name in names if not name.startswith("_")} == set(PARAMS)
