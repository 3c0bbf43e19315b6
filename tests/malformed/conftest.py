"""Counts of spoiled files by what became of them, printed at the end."""

from collections import Counter

import pytest

COUNTS: dict[str, Counter[str]] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many files of each form were read, refused, or failed."""
    if not COUNTS:
        return
    total = sum(COUNTS.values(), Counter())
    terminalreporter.section("spoiled files")
    for form, counts in [*sorted(COUNTS.items()), ("all", total)]:
        said = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()))
        terminalreporter.write_line(f"{form:24} {counts.total():4}: {said}")
