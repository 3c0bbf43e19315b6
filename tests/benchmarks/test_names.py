"""Scripts run with their folder before all others, so their names must not be those of packages."""

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def packages() -> set[str]:
    """Modules of Python, and packages that are here or that one that is here can make use of."""
    wanted = {
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("-", "_")
        for distribution in metadata.distributions()
        for requirement in distribution.requires or ()
    }
    return wanted | set(metadata.packages_distributions()) | sys.stdlib_module_names


def test_an_optional_package_counts() -> None:
    assert {"kernels", "numpy", "json"} <= packages()  # transformers uses kernels where it is


@pytest.mark.parametrize("folder", ["benchmarks", "examples"])
def test_no_script_hides_a_package(folder: str) -> None:
    scripts = {path.stem for path in (ROOT / folder).glob("*.py")}
    assert scripts
    assert not scripts & packages()
