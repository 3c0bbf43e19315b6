"""A full disk ends in one sentence, and nothing of the step that failed remains."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.database.copy import copy_rows


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with little room, for a tablespace."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=777", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root")
    for parent in folder.parents:
        parent.chmod(parent.stat().st_mode | 0o555)  # the server runs as another user
    (folder / "space").mkdir()
    shutil.chown(folder / "space", "pgserver")
    yield folder / "space"
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_and_nothing_remains(engine: sa.Engine, small_disk: Path) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"create tablespace small location '{small_disk}'")
    rows = np.random.default_rng(0).normal(size=(4_000, 768)).astype(np.float32)
    columns = ["sae", "feature", "decoder", "decoder_norm"]
    with engine.connect() as connection:
        connection.exec_driver_sql("set default_tablespace = small")
        connection.commit()
        with (
            pytest.raises(errors.DiskFull, match=r"disk is full(.|\n)*saeatlas remove"),
            connection.begin(),
            partitions.filling(connection, tables.feature, 1) as part,
        ):
            copy_rows(connection, part, columns, ((1, i, row, 1.0) for i, row in enumerate(rows)))
        assert not sa.inspect(connection).has_table("feature_1", schema="atlas")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("drop tablespace small")
