"""The Python of docs/python.md runs, on a simulated SAE."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import run_command

PAGE = (Path(__file__).parents[2] / "docs/python.md").read_text("utf-8")
BLOCKS = dict(re.findall(r'^```python title="(\w+)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.slow
@pytest.mark.usefixtures("database_url")
def test_every_analysis_shown_runs(capsys: pytest.CaptureFixture[str]) -> None:
    words = "ingest simulated --features 200 --d-model 16 --blocks 600".split()
    run_command(words)
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["analyses"], "python.md", "exec"), names)
    runs = [names[one] for one in ("counts", "lobes", "types", "angles", "tests", "spectrum")]
    assert runs == [1, 2, 3, 4, 5, 6]
    assert len(names["by_type"])
    assert set(names["p_values"].k) == {2, 3}
    assert "map by pca 2 of 2" in capsys.readouterr().out


@pytest.mark.usefixtures("database_url")
def test_what_is_ingested_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["ingestion"], "python.md", "exec"), names)
    assert (names["sae"], names["recording"], names["labelled"]) == (1, 1, [1])
    assert names["about_the_sea"].feature.tolist() == [7]
