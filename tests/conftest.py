"""A real PostgreSQL with pgvector; each test gets a database of its own, made from a template."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before huggingface_hub is imported by any test
# before torch is: several workers, each with a thread a core, mostly wait for each other
os.environ.setdefault(
    "OMP_NUM_THREADS",
    str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))),
)

from saeatlas.schema.database import connect, embedded

# a suite started in the background ignores Ctrl-C, and so would the commands that tests start
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count()
_made: set[str] = set()
_TEMPLATE = "template_atlas"

# how long an example takes depends on what else the machine does
hypothesis.settings.register_profile("full", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=10)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "full"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups, which take longest, so that no worker ends alone with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@cache
def _administration(base: URL) -> sa.Connection:
    """Connect once a server: every test makes a database and drops it."""
    return sa.create_engine(base, isolation_level="AUTOCOMMIT").connect()


def _admin(base: URL, statement: str) -> None:
    _administration(base).exec_driver_sql(statement)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Where servers keep their files: not in pytest's folder, which other sessions lock away.

    In memory where there is room: a database of 10 MB is then made in 0.03 s instead of 0.17 s.
    """
    memory = Path("/dev/shm")
    there = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30
    with tempfile.TemporaryDirectory(
        dir=memory if there else None, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server_url(server_folder: Path) -> Iterator[URL]:
    """A server with a catalog to copy from: SAEATLAS_TEST_DATABASE_URL, else this process' own."""
    named = os.environ.get("SAEATLAS_TEST_DATABASE_URL")
    folder = server_folder / "own"
    base = connect.parse_url(named or embedded.url(folder))
    if not named:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # it need not survive
            _admin(base, f"alter system set {setting} = off")
        _admin(base, "select pg_reload_conf()")
    engine = connect.open_catalog(create_database(base, _TEMPLATE, template="template1"))
    engine.dispose()
    yield base
    if named:
        for name in (_TEMPLATE, *_made):
            _admin(base, f"drop database if exists {_own(name)} with (force)")
    _administration(base).close()
    _administration(base).engine.dispose()
    if not named:
        embedded.shut_down(folder)


def _own(name: str) -> str:
    """Name a database of this process: workers may share a server."""
    return f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'only')}"


def create_database(server: URL, name: str, template: str | None = None) -> str:
    """Create a database with a catalog, in place of one that an earlier session left."""
    copied = template or _own(_TEMPLATE)
    _admin(server, f"drop database if exists {_own(name)} with (force)")
    _admin(server, f"create database {_own(name)} template {copied}")
    _made.add(name)
    plain = server.set(drivername="postgresql", database=_own(name))
    return plain.render_as_string(hide_password=False)


def drop_database(server: URL, name: str) -> None:
    _admin(server, f"drop database {_own(name)} with (force)")
    _made.discard(name)


@pytest.fixture
def database_url(server_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh catalog; the environment points at it too."""
    name = f"test_{next(_numbers)}"
    url = create_database(server_url, name)
    monkeypatch.setenv("SAEATLAS_DATABASE_URL", url)
    monkeypatch.setenv("SAEATLAS_DATA_DIR", str(tmp_path / "data"))
    yield url
    drop_database(server_url, name)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = connect.open_catalog(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        yield connection


class Demo:
    """`saeatlas demo`, run on a catalog of its own.

    Attributes
    ----------
    url : str
        The catalog.
    output : str
        What the first run printed.
    """

    def __init__(self, url: str, data_dir: Path) -> None:
        self.url = url
        self._environment = {
            "SAEATLAS_DATABASE_URL": url,
            "SAEATLAS_DATA_DIR": str(data_dir),
            "COLUMNS": "200",
        }
        self.output = self.run()

    def run(self) -> str:
        command = "from saeatlas.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", command, "demo", "--documents", "4"],
            capture_output=True,
            text=True,
            env=os.environ | self._environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def demo(server_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo's catalog with a few documents of each type. Read it; do not write to it."""
    return Demo(create_database(server_url, "demo"), tmp_path_factory.mktemp("demo"))


@pytest.fixture
def demo_engine(demo: Demo) -> Iterator[sa.Engine]:
    engine = connect.open_catalog(demo.url)
    yield engine
    engine.dispose()
