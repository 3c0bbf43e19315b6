"""PostgreSQL's errors as the exceptions of ``errors``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.messages import first_lines

# libpq gives no SQLSTATE when a connection fails, only the server's sentence
_REFUSED = re.compile(
    r"password authentication failed|no password supplied|pg_hba\.conf|role .* does not exist"
    r"|database .* does not exist|permission denied for database|authentication failed"
)

_NO_TEXT = (psycopg.errors.CharacterNotInRepertoire, psycopg.errors.UntranslatableCharacter)

# functions of PostgreSQL that make a table's file longer
_EXTENDING = {"mdextend", "mdzeroextend", "mdwritev"}


def translate(error: psycopg.Error) -> errors.AtlasError | None:
    """Return the exception of ours for an error of PostgreSQL.

    Parameters
    ----------
    error : psycopg.Error

    Returns
    -------
    AtlasError or None
        None for an error that only a bug of ours can cause.
    """
    if (full := _no_room(error)) is not None:
        return full
    if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
        return errors.CatalogBusy(hint="Wait for it to end, then run this again.")
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return _no_connection(error)
    if isinstance(error, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown):
        return _no_connection(error)
    return None


def _no_room(error: psycopg.Error) -> errors.DiskFull | None:
    line, saved = first_lines(error), "Nothing of the last step was stored. Earlier steps are safe."
    if isinstance(error, psycopg.errors.DiskFull):
        return errors.DiskFull(
            f"The server's disk is full: {line}",
            available=saved,
            hint="Free some space, or `saeatlas remove` what is not needed, and run it again.",
        )
    if isinstance(error, psycopg.errors.ConfigurationLimitExceeded):
        return errors.DiskFull(
            f"The server's limit of temporary files is reached: {line}",
            available=saved,
            hint="Raise temp_file_limit in the server's settings and run it again.",
        )
    # the system's limit on a file's size has no SQLSTATE, and the message is in any language
    if error.diag.source_function in _EXTENDING and error.sqlstate == "XX000":
        return errors.DiskFull(
            f"The system lets the server write no larger file: {line}",
            available=saved,
            hint="Start the server without a limit on file sizes (`ulimit -f unlimited`) and run "
            "it again.",
        )
    return None


def _no_connection(error: psycopg.Error) -> errors.DatabaseError:
    line = first_lines(error)
    if _REFUSED.search(str(error)):
        return errors.LoginRefused(
            f"The PostgreSQL server refuses the login: {line}",
            hint="Check user, password and database in SAEATLAS_DATABASE_URL (or PGPASSWORD).",
        )
    if "closed the connection" in str(error) or error.sqlstate is not None:
        return errors.ServerUnreachable(
            f"The PostgreSQL server went away: {line}",
            available="It was stopped, or it stopped itself: a full disk does that. What was "
            "committed before is safe.",
            hint="Look at its log and its free space, then run the same command again.",
        )
    return errors.ServerUnreachable(
        f"No PostgreSQL server answers: {line}",
        hint="Start it (`docker compose up -d`), or unset SAEATLAS_DATABASE_URL "
        "to use the embedded server.",
    )


def on_error(context: sa.engine.ExceptionContext) -> None:
    """Raise our own error in place of SQLAlchemy's; an engine's ``handle_error`` listener.

    Parameters
    ----------
    context : sqlalchemy.engine.ExceptionContext
    """
    error = context.original_exception
    if isinstance(error, psycopg.errors.NumericValueOutOfRange):
        raise errors.UnknownName(
            "A number is larger than any in the catalog.",
            hint="`saeatlas status` lists what is there.",
        ) from error
    if (refused := _text_refused(error)) is not None:
        raise refused from error
    if isinstance(error, psycopg.Error) and (ours := translate(error)) is not None:
        raise ours from error


@contextmanager
def translated() -> Iterator[None]:
    """Translate what psycopg raises inside, where SQLAlchemy does not stand between.

    Raises
    ------
    DatabaseError
    """
    try:
        yield
    except psycopg.Error as error:
        ours = translate(error)
        if ours is None:
            raise
        raise ours from error


@contextmanager
def storing() -> Iterator[None]:
    """Translate as `translated` does, and say which texts the server does not store.

    Not for a user's own SQL, whose errors `catalog.sql` shows.

    Raises
    ------
    DatabaseError
    InputError
        A text has NUL or is not UTF-8, or a name is too long for an index.
    """
    with translated():
        try:
            yield
        except (psycopg.Error, UnicodeEncodeError) as error:
            ours = _text_refused(error)
            if ours is None:
                raise
            raise ours from error


def _text_refused(error: BaseException) -> errors.InputError | None:
    """Return the error about a text that the server does not store; None for another error."""
    if isinstance(error, psycopg.errors.ProgramLimitExceeded | psycopg.errors.StatementTooComplex):
        return errors.InputError(
            "A name or text is longer, or nested more deeply, than the server stores.",
            available=f"It says: {first_lines(error)}",
            hint="Shorten it; names have at most 1,300 bytes.",
        )
    # without SQLSTATE: psycopg itself has found a NUL
    is_nul = isinstance(error, psycopg.DataError) and error.sqlstate is None
    if is_nul or isinstance(error, (UnicodeEncodeError, *_NO_TEXT)):
        return errors.InputError(
            "A name or text holds a character that cannot be stored.",
            available="PostgreSQL stores neither NUL nor what is not UTF-8.",
            hint="Write it without that character.",
        )
    return None
