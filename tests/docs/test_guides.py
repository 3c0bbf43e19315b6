"""The guides are followed, in their order, in a copy of the package, on a real catalog."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = ("add-a-migration", "add-an-analysis", "add-a-kind")
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)

COMPARE = """
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from saeatlas.schema import tables
from saeatlas.schema.database.connect import open_catalog
with open_catalog().connect() as connection:
    options = {"include_schemas": True, "version_table_schema": "atlas"}
    context = MigrationContext.configure(connection, opts=options)
    found = map(str, compare_metadata(context, tables.metadata))  # partitions among them
    print([one for one in found if "norm_quantile" in one and "schema='atlas'" in one])
"""


class Walk:
    """A copy of the package that grows as the guides say.

    Parameters
    ----------
    tree : Path
        Where the copy is made.
    """

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        shutil.copytree(ROOT / "saeatlas", tree / "saeatlas")
        numbers = sorted(p.name[:4] for p in tree.glob("saeatlas/schema/migrations/versions/0*"))
        self.last = numbers[-1]
        self.next = f"{int(self.last) + 1:04}"

    def python(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.tree,
            env=os.environ | {"PYTHONPATH": str(self.tree)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def saeatlas(self, line: str) -> str:
        return self.python("-m", *shlex.split(line))

    def write(self, title: str, text: str) -> None:
        """Write a block into its file, or add it to the file's end."""
        name, _, added = title.replace("{next}", self.next).partition(", ")
        text = text.replace("{next}", self.next).replace("{last}", self.last)
        path = self.tree / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text("utf-8") + "\n" if added else "") + text, encoding="utf-8")


@pytest.fixture
def walk(tmp_path: Path, database_url: str) -> Walk:
    assert database_url
    return Walk(tmp_path)


@pytest.mark.slow
def test_the_guides_can_be_followed(walk: Walk) -> None:
    walk.saeatlas("saeatlas ingest simulated --features 150 --d-model 16 --blocks 30 --layer 3")
    printed: list[str] = []
    for guide in ORDER:
        page = (ROOT / "docs/guides" / f"{guide}.md").read_text("utf-8")
        for title, text in BLOCK.findall(page):
            if title.endswith(" prints"):
                assert walk.python(title.split()[0]) == text
            else:
                walk.write(title, text)
                if title.startswith("saeatlas/schema/views/"):
                    walk.saeatlas("saeatlas db upgrade")
        commands = re.findall(r"^ {4}(saeatlas .*)$", page, re.MULTILINE)
        assert commands, guide
        printed += [walk.saeatlas(line) for line in commands]
    assert len(printed) == 3
    assert "select * from norm_quantiles where run = " in printed[1]
    assert re.search(r"\b0\.5\b", printed[2])
    assert walk.python("-c", COMPARE).strip() == "[]"
    assert walk.python("-c", "import saeatlas; print(saeatlas.__file__)").startswith(str(walk.tree))
