"""Files of every form, spoiled in hundreds of ways: each is read right, or refused."""

import json
import os
import resource
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from safetensors.numpy import load_file
from sqlalchemy.engine import URL

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.rows import sae_vectors
from tests.conftest import create_database, drop_database
from tests.malformed import meaningful, published, seeds, trainers
from tests.malformed.conftest import COUNTS
from tests.support import tiny

EXAMPLES = 5 if os.environ.get("HYPOTHESIS_PROFILE") == "quick" else 20
SECONDS = 20
FORMS = seeds.FORMS | published.FORMS | trainers.FORMS
_numbers = count()


@pytest.fixture(scope="module")
def catalog(server_url: URL) -> Iterator[sa.Engine]:
    """One catalog for all files, with an SAE that labels and activations belong to."""
    engine = connect.open_catalog(create_database(server_url, "spoiled"))
    tiny.store_bare(engine, seeds.DECODER, "whole", neuronpedia_id=seeds.PAGE)
    yield engine
    engine.dispose()
    drop_database(server_url, "spoiled")


def _n_rows(engine: sa.Engine) -> int:
    counts = [sa.select(sa.func.count()).select_from(one) for one in tables.metadata.sorted_tables]
    with engine.connect() as connection:
        return int(sum(connection.execute(sa.union_all(*counts)).scalars()))


def _stop(*_: object) -> None:
    raise TimeoutError(f"takes more than {SECONDS} s")


def _same_as_elsewhere(engine: sa.Engine, form: seeds.Form, folder: Path, found: Any) -> bool:
    """Compare what was read with what other readers make of the same file."""
    path = folder / form.file
    if path.name == "m.npy":
        return published.same(engine, path, found.run)
    if path.name.startswith("w."):
        read = {".npy": np.load, ".npz": lambda p: np.load(p)["W_dec"],
                ".safetensors": lambda p: load_file(p)["W_dec"]}[path.suffix](path)  # fmt: skip
        with engine.connect() as connection:
            return np.array_equal(sae_vectors.read(connection, found.sae), read.astype(np.float32))
    if path.name == "pairs.json" and hasattr(found, "relation"):
        rows = json.loads((folder / f"{folder.name}.json").read_text("utf-8-sig"))
        pairs = [(row["input"].strip(), row["output"].strip()) for row in rows]
        return list(dict.fromkeys(pairs)) == list(found.relation.pairs)
    return True


def _outcome(engine: sa.Engine, form: seeds.Form, folder: Path) -> str:
    """Bring a file in, and say what became of it."""
    before = _n_rows(engine)
    signal.alarm(SECONDS)
    try:
        found = form.ingest(engine, folder)
    except errors.InputError as error:
        signal.alarm(0)
        if len(str(error).splitlines()) > 20 or len(str(error)) > 2000:
            return "a long message"
        return "refused" if _n_rows(engine) == before else "refused, with rows written"
    except Exception as error:  # any other is a bug
        signal.alarm(0)
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"[
            :300
        ]
    finally:
        signal.alarm(0)
    return "read" if _same_as_elsewhere(engine, form, folder, found) else "read wrong"


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_a_spoiled_file_is_read_right_or_refused(
    catalog: sa.Engine, tmp_path: Path, name: str
) -> None:
    form = FORMS[name]
    (tmp_path / "whole").mkdir()
    form.write(tmp_path / "whole")
    content = (tmp_path / "whole" / form.file).read_bytes()
    counts: Counter[str] = Counter()
    signal.signal(signal.SIGALRM, _stop)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(meaningful.spoiled(content, form.kind, form.unpack, form.pack))
    def spoil(changed: bytes) -> None:
        folder = tmp_path / f"{name.replace(' ', '-')}-{next(_numbers)}"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / form.file).write_bytes(changed)
        outcome = _outcome(catalog, form, folder)
        counts[outcome] += 1
        shutil.rmtree(folder)

    assert _outcome(catalog, form, Path(shutil.copytree(tmp_path / "whole", tmp_path / name))) == (
        "read"
    )
    spoil()
    COUNTS[name] = counts
    assert counts.keys() <= {"read", "refused"}, dict(counts)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert grown < 2**20, f"{grown:,} KiB of memory"


TEXTS = [
    name
    for name, form in FORMS.items()
    if (form.kind in ("json", "csv") and form.unpack is None) or name in ("GloVe", "word2vec text")
]


@pytest.mark.parametrize("name", TEXTS)
def test_a_byte_order_mark_is_no_part_of_a_text(
    catalog: sa.Engine, tmp_path: Path, name: str
) -> None:
    form = FORMS[name]
    folder = tmp_path / f"marked-{name.replace(' ', '-')}"
    folder.mkdir()
    form.write(folder)
    path = folder / form.file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert _outcome(catalog, form, folder) == "read"


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_waited_for(
    catalog: sa.Engine, tmp_path: Path, name: str, kind: str
) -> None:
    form = FORMS[name]
    form.write(tmp_path)
    path = tmp_path / form.file
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)  # to which nobody writes
    else:
        path.symlink_to("/dev/zero")
    signal.signal(signal.SIGALRM, _stop)
    assert _outcome(catalog, form, tmp_path) == "refused"
