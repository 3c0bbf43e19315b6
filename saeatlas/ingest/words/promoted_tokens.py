"""The tokens that a feature promotes: its decoder vector, through the model's unembedding."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.models import files, unembedding
from saeatlas.ingest.models import tokenizer as tokens
from saeatlas.ingest.steps import Step
from saeatlas.schema import tables
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import remove, runs, sae_vectors, saes

Array = np.ndarray[Any, Any]

_COLUMNS = ("sae", "run", "feature", "rank", "token_id", "token", "logit", "n_characters")

_STAGE = "tokens of features"

_LOGITS = 2**26
"""Logits at a time: 256 MiB."""

_RESIDUAL = re.compile(r"resid_|_out$|embed$|(?:layers|h)\.\d+$")
"""Hooks at which what an SAE gives is a part, or the whole, of the residual stream."""


def find(
    engine: sa.Engine, sae: int, *, model: str, top: int = 10, device: str | None = None
) -> Iterator[Step]:
    """Find the tokens that each feature of an SAE promotes most; replace those found before.

    The effect on a token's logit is W_U (scale * v), where v is the decoder vector, less its mean
    if the final norm is a LayerNorm, and scale the norm's learned factors. What the norm divides
    by depends on the rest of the residual stream and is left out; as it is positive, the order of
    tokens is the same with it. Biases, and the tanh that caps Gemma 2's logits, are left out too.

    Writes a row of ``run`` and at most `top` rows of ``feature_token`` a feature, in one
    transaction. The same again changes nothing.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    sae : int
        ``sae.id``.
    model : str
        Hub id or folder.
    top : int, default=10
        Tokens of each feature; all there are, if fewer.
    device : str, optional
        Default: cuda or mps where there is one, else cpu.

    Yields
    ------
    Step

    Raises
    ------
    UnsupportedSae
        It does not write to the residual stream.
    ModelMismatch
        The model cannot be loaded, or is of another width.

    Notes
    -----
    This is what a feature does by itself at the last step. What later layers make of it is not in
    it: of a feature of an early layer its tokens may say little.
    """
    config = files.read_config(model)
    tokenizer = tokens.load(model)
    with engine.begin() as connection:
        # so that nobody finds the tokens of the same SAE meanwhile
        row = saes.read(connection, sae, hold=True)
        _require_residual(row, model, int(config.hidden_size))
        terms = {"model_sha256": files.fingerprint(model, config), "top": top}
        key = runs.input_hash(
            weights=row.weights_sha256.hex(), tokenizer=tokenizer.fingerprint, **terms
        )
        older = _runs(connection, sae)
        if key in older:
            yield Step("done", summary=f"Run {older[key]}: already there, unchanged")
            return
        for number in older.values():
            remove.remove_run(connection, number)
        out = unembedding.load(model, len(tokenizer), device)
        vectors = sae_vectors.read(connection, sae)
        features = np.flatnonzero(vectors.any(axis=1))
        n_zero = len(vectors) - len(features)
        run = runs.create(
            connection, "tokens", key, sae=sae, params={"model": model} | terms,
            quality={"n_features": len(features), "n_zero": n_zero},
        )  # fmt: skip
        yield from _write(
            connection, (sae, run), features, vectors, out, tokenizer=tokenizer, top=top
        )
    left_out = f"; {n_zero:,} have an all-zero decoder vector and none" if n_zero else ""
    yield Step("done", summary=f"Run {run}: tokens of {len(features):,} features{left_out}")


def _write(
    connection: sa.Connection,
    numbers: tuple[int, int],
    features: Array,
    vectors: Array,
    out: unembedding.Unembedding,
    *,
    tokenizer: tokens.Tokenizer,
    top: int,
) -> Iterator[Step]:
    """Write the tokens of features, some features at a time."""
    text = cache(lambda token: tokenizer.piece(token).replace("\0", "\ufffd"))
    size = max(1, _LOGITS // len(out.weight))
    for begin in range(0, len(features), size):
        yield Step(_STAGE, begin, len(features))
        part = features[begin : begin + size]
        ids, logits = out.strongest(vectors[part], min(top, len(out.weight)))
        rows = (
            (*numbers, feature, rank, token, text(token), logit, len(text(token).removeprefix(" ")))
            for feature, own, strengths in zip(
                part.tolist(), ids.tolist(), logits.tolist(), strict=True
            )
            for rank, (token, logit) in enumerate(zip(own, strengths, strict=True), 1)
        )
        copy_rows(connection, tables.feature_token, _COLUMNS, rows)
    yield Step(_STAGE, len(features), len(features))


def _runs(connection: sa.Connection, sae: int) -> dict[bytes, int]:
    """Return the runs that found an SAE's tokens, by the hash of what they read."""
    table = tables.run
    query = sa.select(table.c.input_sha256, table.c.id).where(
        table.c.analysis == "tokens", table.c.sae == sae
    )
    return {row.input_sha256: row.id for row in connection.execute(query)}


def _require_residual(row: sa.Row[Any], model: str, d_model: int) -> None:
    """Refuse an SAE whose decoder vectors are no directions of the model's residual stream."""
    name = f"{row.release}/{row.sae_id}"
    hook = row.config.get("metadata", {}).get("hook_name_out") or row.hook_name
    is_transcoder = "transcoder" in (row.architecture or "")  # it writes what the MLP would
    if hook is not None and not is_transcoder and not _RESIDUAL.search(hook):
        raise errors.UnsupportedSae(
            f"SAE {name} is of {hook}: its decoder vectors are no directions of the residual "
            "stream, and the unembedding cannot read them.",
            hint="Take an SAE of the residual stream, of an MLP's or of attention's output.",
        )
    if row.d_in != d_model:
        raise errors.ModelMismatch(
            f"The decoder vectors of SAE {name} have {row.d_in:,} dimensions; the residual stream "
            f"of {model} has {d_model:,}.",
            hint="Check --model and --sae: the SAE was trained on another model, or not on its "
            "residual stream.",
        )
