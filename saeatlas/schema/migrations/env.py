"""Alembic's entry: run on the connection that upgrade.py hands over, in its transaction."""

import re

from alembic import context

from saeatlas.schema import tables

_PARTITION = re.compile(
    r"(feature|encoder|activation|feature_bitmap|cooccurrence|counting|block_lobe)_\d+(_mask)?"
)


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    if kind == "schema":
        return name == tables.SCHEMA
    return kind != "table" or _PARTITION.fullmatch(name or "") is None


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table_schema=tables.SCHEMA,
    include_schemas=True,
    include_name=_ours,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
