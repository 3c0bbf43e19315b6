"""The table of jobs that run now: a row of it is locked as long as its job runs."""

import sqlalchemy as sa
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import BYTEA

from saeatlas.schema.tables.base import metadata, time_column

running_job = sa.Table(
    "running_job",
    metadata,
    Column("kind", sa.Text, primary_key=True, comment="Kind of job, such as lobes."),
    Column("key", BYTEA, primary_key=True, comment="Hash of what identifies the job."),
    time_column("started_at", "When the row was written."),
    comment="Jobs that run now, or were killed. A running job locks its row, so that no other "
    "process runs the same one; logins without rights on the table cannot lock it.",
)
