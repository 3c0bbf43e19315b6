"""Alembic's entry: run on the connection that upgrade.py hands over, in its transaction."""

import re

from alembic import context

from saeatlas.schema import results

_PARTITION = re.compile(r"(feature|activation|feature_bitmap|cooccurrence|counting)_\d+(_mask)?")


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    if kind == "schema":
        return name == results.SCHEMA
    return kind != "table" or _PARTITION.fullmatch(name or "") is None


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=results.metadata,
    version_table_schema=results.SCHEMA,
    include_schemas=True,
    include_name=_ours,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
