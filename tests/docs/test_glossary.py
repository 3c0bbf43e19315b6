"""The glossary is in order, its links lead somewhere, and the schema page has every table."""

import re
from pathlib import Path

import pytest

from saeatlas.schema import tables

DOCS = Path(__file__).parents[2] / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")
TERMS = re.findall(r"^## (.+)$", GLOSSARY, re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_terms_are_in_alphabetical_order() -> None:
    assert sorted(TERMS, key=str.casefold) == TERMS


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_links_between_pages_lead_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([\w./-]*\.md)?(#[\w-]+)?\)", page.read_text("utf-8"))
    for name, anchor in links:
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), name
        assert not anchor or anchor[1:] in _anchors(target), f"{name}{anchor}"


@pytest.mark.parametrize("term", TERMS)
def test_a_term_has_one_sentence_with_a_formula_or_a_link_or_a_column(term: str) -> None:
    body = GLOSSARY.split(f"## {term}\n", 1)[1].split("\n## ")[0]
    assert re.search(r"\]\(|n_ij|`", body) or len(body.split()) > 8
    assert body.rstrip().endswith((".", ")"))


def test_the_glossary_is_linked_from_where_one_begins() -> None:
    for page in (DOCS.parent / "README.md", DOCS / "schema.md"):
        assert "glossary.md" in page.read_text("utf-8")


def test_every_table_has_a_heading_in_the_schema_page() -> None:
    page = (DOCS / "schema.md").read_text("utf-8")
    for table in tables.metadata.sorted_tables:
        assert f"\n## {table.name}\n" in page
