"""Run the session of README.md in a new catalog, and write or check what it prints.

python docs/readme.py writes the answers anew; tests/docs/test_readme.py compares them.
"""

import atexit
import contextlib
import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"

_CONSOLE = re.compile(r"<!-- session -->\n```console\n(.*?)```", re.DOTALL)
_PYTHON = re.compile(r"<!-- session -->\n```python\n(.*?)```\n```text\n(.*?)```", re.DOTALL)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SECONDS = re.compile(r"\b[0-9.,]+ s\b")


def told(page: str) -> tuple[str, str]:
    """Return what the page says that its commands, and its Python, print."""
    commands, python = _CONSOLE.search(page), _PYTHON.search(page)
    assert commands is not None
    assert python is not None
    return commands[1], python[2]


def run(page: str) -> tuple[str, str]:
    """Run the page's commands, then its Python, on the catalog of the environment.

    Returns
    -------
    tuple of str
        The commands, each with what it prints; what the Python prints.
    """
    commands, python = _CONSOLE.search(page), _PYTHON.search(page)
    assert commands is not None
    assert python is not None
    lines = [line for line in commands[1].splitlines() if line.startswith("$ ")]
    shown = "\n".join(part for line in lines for part in _answered(line))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(python[1], "README.md", "exec"), {})
    rows = [row.rstrip() for row in printed.getvalue().splitlines()]
    return f"{shown}\n", "\n".join(rows) + "\n"


def _answered(line: str) -> Iterator[str]:
    yield line
    rows = _CONTROL.sub("", _on_a_terminal(shlex.split(line)[2:])).splitlines()
    yield from (row.rstrip() for row in rows if "━" not in row and row.strip())


def _on_a_terminal(words: list[str]) -> str:
    """Run a command as somebody sees it who types it; progress bars go to standard error."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "saeatlas", *words]
    with subprocess.Popen(
        command, stdout=theirs, stderr=subprocess.PIPE, env=os.environ | {"COLUMNS": "120"}
    ) as running:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        _, errors = running.communicate()
    assert running.returncode == 0, errors.decode()
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side has closed it
        return b""


def same(one: str, other: str) -> bool:
    """Compare word by word: numbers to three digits, seconds not at all."""
    first, second = (_SECONDS.sub("SECONDS", text).split() for text in (one, other))
    return len(first) == len(second) and all(map(_same_word, first, second))


def _same_word(one: str, other: str) -> bool:
    try:
        return abs(float(one) - float(other)) <= 5e-3 * abs(float(one))
    except ValueError:
        return one == other


def main() -> None:
    """Write the answers into README.md."""
    page = README.read_text("utf-8")
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after the server's own exit
    os.environ.pop("SAEATLAS_DATABASE_URL", None)
    os.environ["SAEATLAS_DATA_DIR"] = folder
    commands, printed = run(page)
    old_commands, _ = told(page)
    page = page.replace(old_commands, commands)
    page = re.sub(r"```text\n.*?```", lambda _: f"```text\n{printed}```", page, count=1, flags=re.S)
    README.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
