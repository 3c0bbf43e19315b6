"""Encoder vectors: kept on request, added later, read back; those of every architecture."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sae_lens import SAE
from sae_lens.registry import SAE_CLASS_REGISTRY

from saeatlas import errors
from saeatlas.cli import cli
from saeatlas.ingest.saes import store
from saeatlas.ingest.saes.load import load_sae
from saeatlas.schema import tables
from saeatlas.schema.rows import sae_vectors
from saeatlas.schema.rows.remove import remove_sae
from tests.support import tiny
from tests.support.rows import versions


def _put(engine: sa.Engine, path: Path, *, encoder: bool = True) -> store.StoredSae:
    with engine.begin() as connection:
        return store.store_sae(connection, load_sae(path=path), encoder=encoder)


def _read(engine: sa.Engine, sae: int = 1, *features: int, of: Any = "encoder") -> np.ndarray:
    with engine.connect() as connection:
        wanted = np.array(features) if features else None
        return sae_vectors.read(connection, sae, wanted, of=of)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(SAE_CLASS_REGISTRY))
def test_encoders_are_those_of_the_weights(engine: sa.Engine, tmp_path: Path, kind: str) -> None:
    folder = tiny.make_sae(tmp_path / "mine" / kind, kind)
    stored = _put(engine, folder)
    assert stored.created and stored.encoder_added
    sae = SAE.load_from_disk(folder)
    x = np.random.default_rng(0).normal(size=(5, tiny.D_MODEL)).astype(np.float32)
    theirs = (sae.W_dec.T if kind == "temporal" else sae.W_enc).detach().numpy()  # temporal: tied
    ours = _read(engine)
    assert (ours.shape, ours.dtype) == ((tiny.D_SAE, tiny.D_MODEL), np.float32)
    np.testing.assert_array_equal(ours, theirs.T)
    np.testing.assert_allclose(x @ ours.T, x @ theirs, atol=1e-5)
    np.testing.assert_array_equal(_read(engine, 1, 7, 3), ours[[7, 3]])
    np.testing.assert_array_equal(_read(engine, of="decoder"), sae.W_dec.detach().numpy())
    with engine.connect() as connection:
        query = sa.select(tables.encoder.c.encoder_norm).order_by(tables.encoder.c.feature)
        norms = connection.execute(query).scalars().all()
        view = connection.exec_driver_sql(
            "select sae_id, layer, feature from encoders where feature = 5"
        )
        assert view.one() == (kind, 1, 5)
    np.testing.assert_allclose(norms, np.linalg.norm(ours, axis=1), rtol=1e-6)


def test_an_untied_temporal_saes_encoder_is_its_own(engine: sa.Engine, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "mine" / "one", "temporal", tied_weights=False)
    _put(engine, folder)
    sae = SAE.load_from_disk(folder)
    np.testing.assert_array_equal(_read(engine), sae.W_enc.detach().numpy().T)


def test_a_transcoders_encoder_is_as_wide_as_its_input(engine: sa.Engine, tmp_path: Path) -> None:
    _put(engine, tiny.make_sae(tmp_path / "mine" / "one", "transcoder", d_out=40))
    assert _read(engine).shape == (tiny.D_SAE, tiny.D_MODEL)
    assert _read(engine, of="decoder").shape == (tiny.D_SAE, 40)


def test_encoders_are_added_to_an_sae_that_is_there_and_once(
    engine: sa.Engine, tmp_path: Path
) -> None:
    folder = tiny.make_sae(tmp_path / "mine" / "one")
    assert not _put(engine, folder, encoder=False).encoder_added
    before = versions(engine)
    added = _put(engine, folder)
    assert (added.sae, added.created, added.encoder_added) == (1, False, True)
    assert versions(engine) == before
    after = versions(engine, tables.encoder)
    assert not _put(engine, folder).encoder_added
    assert not _put(engine, folder, encoder=False).encoder_added
    assert versions(engine, tables.encoder) == after
    assert len(_read(engine)) == tiny.D_SAE


def test_a_bare_decoder_has_no_encoder(engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "bare.npy"
    np.save(path, np.eye(5, dtype=np.float32))
    with pytest.raises(errors.UnsupportedSae, match="bare decoder: its file holds no encoder"):
        _put(engine, path)
    with engine.connect() as connection:
        assert connection.execute(sa.select(tables.sae)).all() == []  # nothing half done
    bare = _put(engine, path, encoder=False).sae
    with pytest.raises(errors.UnknownName, match="bare decoder"):
        _read(engine, bare)


def test_encoders_that_were_not_ingested_name_the_command_that_does(
    engine: sa.Engine, tmp_path: Path
) -> None:
    _put(engine, tiny.make_sae(tmp_path / "my saes" / "one"), encoder=False)
    with pytest.raises(errors.UnknownName, match=r"SAE 1 \(my saes/one\)") as caught:
        _read(engine)
    said = re.search(r"`saeatlas (ingest sae .*)`", str(caught.value))
    assert said is not None
    runner = CliRunner()
    words = shlex.split(said[1])
    assert (
        "already there, encoder added" in runner.invoke(cli, words, catch_exceptions=False).output
    )
    assert "already there, unchanged" in runner.invoke(cli, words, catch_exceptions=False).output
    assert len(_read(engine)) == tiny.D_SAE
    with pytest.raises(errors.UnknownName, match="no SAE 9"):
        _read(engine, 9)


def test_a_removed_sae_takes_its_encoders_with_it(engine: sa.Engine, tmp_path: Path) -> None:
    _put(engine, tiny.make_sae(tmp_path / "mine" / "one"))
    _put(engine, tiny.make_sae(tmp_path / "mine" / "two", seed=1))
    with engine.begin() as connection:
        remove_sae(connection, 1)
    with engine.connect() as connection:
        kept = connection.execute(sa.select(tables.encoder.c.sae).distinct()).scalars().all()
        names = sa.inspect(connection).get_table_names("atlas")
        flags = connection.exec_driver_sql("select sae, has_encoder from saes").all()
    assert kept == [2] and "encoder_1" not in names and flags == [(2, True)]
