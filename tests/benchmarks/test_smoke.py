"""Every benchmark runs: tiny, but each of its parts."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if 'if __name__ == "__main__"' in path.read_text()
)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, int | float):
        yield value


def reported(script: str) -> set[str]:
    """Names of the figures in the tables of docs/benchmarks.md under this script."""
    sections = re.split(r"^## ", (ROOT / "docs" / "benchmarks.md").read_text(), flags=re.M)
    own = "".join(each for each in sections if f"benchmarks/{script}.py" in each)
    rows = [line.split("|")[1] for line in own.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_smoke(script: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        f"benchmarks/{script}.py",
        "--smoke",
        "--json",
        str(tmp_path / "figures"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[-1]
    figures = json.loads(line)
    assert figures.pop("scale") == "smoke"
    assert any(number > 0 for number in numbers(figures))
    assert reported(script) <= set(figures)
    assert (tmp_path / "figures").read_text() == line + "\n"


def test_scripts_are_found() -> None:
    assert {"cooccurrence", "ingest", "lobes"} <= set(SCRIPTS)
    assert "harness" not in SCRIPTS
