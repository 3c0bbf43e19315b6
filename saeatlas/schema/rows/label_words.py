"""The words of all labels, updated with them: search compares mistyped words with these."""

import sqlalchemy as sa

from saeatlas.schema import tables
from saeatlas.schema.database import connect, statistics
from saeatlas.schema.database.statements import statement


def lock(connection: sa.Connection) -> None:
    """Wait until no other transaction changes labels, and keep others from it.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction, which holds the lock until it ends.
    """
    connect.raw(connection).execute(statement(__name__, "lock_labels"))


def add(connection: sa.Connection) -> None:
    """Add the words of the labels in the temporary table ``incoming_label``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In the transaction of `lock`.
    """
    connect.raw(connection).execute(statement(__name__, "add_label_words"))
    statistics.refresh(connection, tables.label_word)


def prune(connection: sa.Connection) -> None:
    """Delete the words that no label has any more, after labels were changed or removed.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In the transaction of `lock`.
    """
    connect.raw(connection).execute(statement(__name__, "prune_label_words"))
