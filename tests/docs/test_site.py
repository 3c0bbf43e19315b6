"""The site has every page; continuous integration covers the versions that the package names."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from saeatlas.schema.database import server

ROOT = Path(__file__).parents[2]


def _yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def _leaves(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [leaf for part in parts for leaf in _leaves(part)]


def test_every_page_is_in_the_site_once() -> None:
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(_leaves(_yaml("mkdocs.yml")["nav"])) == sorted(pages)


def test_the_site_loads_nothing_from_elsewhere_and_fails_on_warnings() -> None:
    site = _yaml("mkdocs.yml")
    assert site["strict"] is True
    assert site["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css"} & site.keys()


def test_ci_runs_every_python_that_the_package_names_and_every_server_that_it_takes() -> None:
    matrix = _yaml(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert matrix["python"] == named
    assert project["requires-python"] == f">={named[0]}"
    assert min(matrix["postgresql"]) == str(server.MIN_SERVER // 10000)


def test_make_targets_of_the_workflows_are_there() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for name in ("ci", "release"):
        text = (ROOT / f".github/workflows/{name}.yml").read_text("utf-8")
        used = re.findall(r"run: make (\w+)$", text, re.MULTILINE)
        assert used
        assert set(used) <= set(targets)


def test_hooks_run_what_make_lint_runs() -> None:
    lint = (ROOT / "Makefile").read_text("utf-8")
    hooks = _yaml(".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert len(hooks) == 5
    for hook in hooks:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$(BIN)/{program} " in lint or f"$(BIN)/{program}\n" in lint, program
