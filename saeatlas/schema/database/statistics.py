"""What the planner knows of a table; after a bulk load the server would find out only later."""

import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from sqlalchemy.dialects.postgresql import ARRAY, BIT, JSONB

from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.database.statements import run_ddl, statement


def refresh(connection: sa.Connection, table: sa.Table, *columns: str) -> None:
    """Refresh the planner's statistics of a table.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    table : sqlalchemy.Table
        A partition under its own name; a partitioned table would be read as a whole.
    *columns : str
        Default: all but arrays, bit strings, vectors and JSON, of which statistics are of no use.
    """
    names = columns or [
        column.name
        for column in table.columns
        if not isinstance(column.type, ARRAY | BIT | VECTOR | JSONB)
    ]
    run_ddl(
        connect.raw(connection),
        statement(__name__, "analyze_table"),
        table=sql.Identifier(str(table.schema), table.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
    )


def refresh_corpora(connection: sa.Connection) -> None:
    """Refresh what is known of documents and blocks.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    """
    refresh(connection, tables.document)
    refresh(connection, tables.block, "corpus", "block", "document", "position", "n_tokens")
