"""The embedded server's life, and a second real server over TCP with a password."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
import yaml

from saeatlas import errors
from saeatlas.catalog import sql
from saeatlas.catalog.status import read_status
from saeatlas.schema.database import connect, embedded

pytestmark = pytest.mark.slow

USER_DATABASE = "postgresql://atlas:p%40ss@127.0.0.1:{port}/catalog"


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("SAEATLAS_DATABASE_URL", raising=False)
    monkeypatch.setenv("SAEATLAS_DATA_DIR", str(tmp_path / "data"))
    yield tmp_path / "data" / "postgres"
    embedded.stop()


def _cli(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from saeatlas.cli import main; main()", *words],
        capture_output=True,
        text=True,
        env=os.environ | env,
        check=False,
    )


def test_the_server_starts_on_demand_and_stops_with_its_last_user(data_dir: Path) -> None:
    assert not embedded.state().exists
    done = _cli("sql", "select count(*) from saes")
    assert (done.returncode, done.stderr) == (0, "")
    assert embedded.state().exists and embedded.state().pid is None


def test_a_new_server_keeps_more_in_memory_and_settings_are_its_owners(data_dir: Path) -> None:
    buffers = embedded.cache_size()
    assert 128 <= buffers <= 512
    assert _cli("sql", "show shared_buffers").stdout.split()[-1] == f"{buffers}MB"
    with (data_dir / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 64MB\n")
    assert _cli("sql", "show shared_buffers").stdout.split()[-1] == "64MB"


def test_a_started_server_stays_until_it_is_stopped(data_dir: Path) -> None:
    assert "Running" in _cli("db", "start").stdout
    _cli("status")
    assert embedded.state().kept and embedded.state().pid is not None
    url = _cli("db", "url").stdout.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("select current_database()").fetchone() == ("saeatlas",)
    assert "Stopped" in _cli("db", "stop").stdout
    assert embedded.state().pid is None


def test_a_killed_user_is_forgotten(data_dir: Path) -> None:
    code = (
        "import os; from saeatlas.schema.database import embedded; "
        "embedded.url(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert embedded.state().pid is not None and embedded.state().users == 0
    _cli("status")
    assert embedded.state().pid is None  # the next one was the last user


def test_a_server_that_cannot_start_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    done = _cli("status", SAEATLAS_DATABASE_URL="", SAEATLAS_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "does not start" in done.stderr and "SAEATLAS_DATABASE_URL" in done.stderr


@pytest.fixture(scope="module")
def tcp_url(server_folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own that listens on TCP and asks for a password, as a container does."""
    handle = embedded.server_handle(server_folder / "tcp", start=True)
    folder, tools = handle.pgdata, handle.bin_path
    with psycopg.connect(handle.get_uri(), autocommit=True) as connection:
        connection.execute("create role atlas login password 'p@ss'")
        connection.execute("create role nobody login password 'p@ss'")
        connection.execute("create database catalog owner atlas")
    with psycopg.connect(handle.get_uri("catalog"), autocommit=True) as connection:
        connection.execute("create extension vector")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    embedded.shut_down(folder)
    rules = "host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"
    (folder / "pg_hba.conf").write_text(rules)
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses = '127.0.0.1'\nport = {port}\n")
        settings.write(f"unix_socket_directories = '{folder}'\n")
    command = [str(tools / "pg_ctl"), "-w", "-D", str(folder), "-l", str(folder / "log")]
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        command = [shutil.which("runuser") or "runuser", "-u", "pgserver", "--", *command]
    subprocess.run([*command, "start"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    yield USER_DATABASE.format(port=port)
    subprocess.run([*command, "-m", "fast", "stop"], check=True, stdout=subprocess.DEVNULL)


def test_the_catalog_lives_on_a_server_over_tcp(tcp_url: str) -> None:
    engine = connect.open_catalog(tcp_url)
    status = read_status(engine)
    engine.dispose()
    assert "p@ss" not in status.database and "p%40ss" not in status.database
    assert "***" in status.database
    done = _cli("sql", "select count(*) as n from features", SAEATLAS_DATABASE_URL=tcp_url)
    assert done.stdout.split() == ["n", "0"], done.stderr


def test_the_password_may_come_from_libpq(tcp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "p@ss")
    connect.open_catalog(tcp_url.replace(":p%40ss", "")).dispose()


@pytest.mark.parametrize("secret", ["wrong", ""])
def test_a_wrong_password_is_refused(tcp_url: str, secret: str) -> None:
    with pytest.raises(
        errors.LoginRefused, match=r"password(.|\n)*SAEATLAS_DATABASE_URL"
    ) as caught:
        connect.open_catalog(tcp_url.replace("p%40ss", secret))
    assert "p%40ss" not in str(caught.value)


def test_a_user_without_rights_is_told_what_to_ask_for(tcp_url: str) -> None:
    base = sa.engine.make_url(tcp_url)
    other = base.set(username="nobody", database="postgres").render_as_string(hide_password=False)
    with pytest.raises(errors.PgvectorMissing, match="create extension vector"):
        connect.open_catalog(other)


def test_a_server_that_goes_away_is_said_to_be_gone(tcp_url: str) -> None:
    engine = connect.open_catalog(tcp_url)
    with engine.connect() as connection, pytest.raises(errors.ServerUnreachable):
        connection.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")
    engine.dispose()


@pytest.fixture
def composed_url(server_folder: Path) -> Iterator[str]:
    """A server on which the script of docker-compose.yml has run."""
    handle = embedded.server_handle(server_folder / "composed", start=True)
    compose = yaml.safe_load((Path(__file__).parents[3] / "docker-compose.yml").read_text("utf-8"))
    script = compose["configs"]["owner"]["content"].replace("$$", "$")
    host = sa.engine.make_url(handle.get_uri()).query["host"]
    environment = os.environ | {
        "PATH": f"{handle.bin_path}:{os.environ['PATH']}", "PGHOST": str(host),
        "POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "it's $x",
    }  # fmt: skip
    subprocess.run(["bash", "-ec", script], check=True, env=environment, capture_output=True)
    yield f"postgresql://saeatlas@/saeatlas?host={host}"
    embedded.shut_down(handle.pgdata)


def test_the_owner_that_the_container_makes_is_no_superuser(composed_url: str) -> None:
    engine = connect.open_catalog(composed_url)
    assert sql.read_sql(engine, "select current_user as me").me[0] == "atlas_reader"
    leave = "select set_config('role', 'none', true), {}"
    for smuggled in (
        "query_to_xml('select pg_read_file(''/etc/passwd'')', true, true, '')",
        "query_to_xml('select lo_import(''/etc/passwd'')', true, true, '')",
    ):
        with pytest.raises(errors.QueryFailed, match="permission denied|read-only"):
            sql.read_sql(engine, leave.format(smuggled))
    for body in (
        "perform pg_read_file('/etc/passwd')",
        "copy model from program 'true'",
        "insert into atlas.model (name) values ('smuggled')",
        "perform set_config('transaction_read_only', 'off', true)",
    ):
        with pytest.raises(errors.QueryFailed, match="permission denied|read-only|read-write"):
            sql.read_sql(engine, f"do $$ begin reset role; {body}; end $$")
    assert sql.read_sql(engine, "select * from model").empty
    engine.dispose()
