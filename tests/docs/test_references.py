"""Works are cited by key, each key is in references.bib, and each work is cited."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEY = r"(?:[A-Z][A-Za-z]+)(?:19|20)\d\d"
WORKS = set(re.findall(r"^@\w+\{(\w+),$", (ROOT / "docs/references.bib").read_text(), re.MULTILINE))
FILES = [*(ROOT / "saeatlas").rglob("*.py"), ROOT / "docs/glossary.md", *ROOT.glob("docs/*.md")]
CITED = {
    key
    for path in FILES
    if path.name != "references.md"
    for key in re.findall(rf"\[({KEY})\]", path.read_text("utf-8"))
}


def test_every_key_cited_has_an_entry() -> None:
    assert {"Li2025", "MarchenkoPastur1967"} <= CITED
    assert set() == CITED - WORKS


def test_every_work_is_cited() -> None:
    assert set() == WORKS - CITED


def test_docstrings_cite_works_by_key() -> None:
    """A work is described in references.bib and nowhere else."""
    for path in (ROOT / "saeatlas").rglob("*.py"):
        for listed in re.findall(
            r"References\n +-{10}\n(.*?)\n *(?:\n|\"{3})", path.read_text("utf-8"), re.DOTALL
        ):
            assert listed.lstrip().startswith(".. ["), f"{path}: {listed}"
