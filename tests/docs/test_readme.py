"""What README.md says that its commands and its Python print is what they print."""

import pytest

from docs import readme


@pytest.mark.slow
@pytest.mark.usefixtures("database_url")
def test_the_session_of_the_readme_prints_what_the_page_says() -> None:
    page = readme.README.read_text("utf-8")
    for shown, printed in zip(readme.told(page), readme.run(page), strict=True):
        assert readme.same(shown, printed), f"run python docs/readme.py; it prints\n{printed}"


def test_answers_that_differ_are_noticed() -> None:
    assert readme.same("Run 1: made in 0.6 s.  x 0.07901", "Run 1: made in 12.0 s.\nx 0.0790081")
    assert not readme.same("n_both 3", "n_both 4")
    assert not readme.same("n_both 3", "n_both 3 4")
    assert not readme.same("phi 0.0790", "phi 0.0799")
