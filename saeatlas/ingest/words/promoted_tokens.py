"""The tokens that a feature promotes: its decoder vector, through the model's unembedding."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors, ranges
from saeatlas.ingest.models import files, unembedding
from saeatlas.ingest.models import tokenizer as tokenizers
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import remove, runs, sae_vectors, saes
from saeatlas.wording import counted

_COLUMNS = ("sae", "run", "feature", "rank", "token_id", "token", "logit", "n_characters")

LOGITS = 2**26
"""Logits at a time: 256 MiB."""

_RESIDUAL = re.compile(r"resid_|_out$|embed$|(?:layers|h)\.\d+$")
"""Hooks at which the output of an SAE is a part, or the whole, of the residual stream."""


@dataclass(frozen=True)
class TokensOutcome:
    """The tokens that the features of an SAE promote.

    Parameters
    ----------
    run : int
        ``run.id``.
    created : bool
        False if the same tokens were there already.
    n_features : int
        Features that have tokens.
    n_zero : int
        Features whose decoder vector is all zero.
    """

    run: int
    created: bool
    n_features: int = 0
    n_zero: int = 0

    @property
    def summary(self) -> str:
        """What was done, in a line."""
        if not self.created:
            return f"Run {self.run}: already there, unchanged"
        left_out = (
            f"; {self.n_zero:,} have an all-zero decoder vector and none" if self.n_zero else ""
        )
        return f"Run {self.run}: tokens of {counted(self.n_features, 'feature')}{left_out}"


def find_tokens(
    engine: sa.Engine,
    sae: int,
    *,
    model: str,
    top: int = 10,
    device: str | None = None,
    report: Report = silent,
) -> TokensOutcome:
    """Find the tokens that each feature of an SAE promotes most; replace those found before.

    The effect on a token's logit is W_U (scale * v), where v is the decoder vector, less its mean
    if the final norm is a LayerNorm, and scale the norm's learned factors. What the norm divides
    by depends on the rest of the residual stream and is left out; as it is positive, the order of
    tokens is the same with it. Biases, and the tanh that caps Gemma 2's logits, are left out too.

    Writes a row of ``run`` and at most `top` rows of ``feature_token`` per feature, in one
    transaction, after the model is loaded. The same again changes nothing.

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
    report : callable, optional
        Called with the features done.

    Returns
    -------
    TokensOutcome

    Raises
    ------
    InputError
        `top` is below 1, or there is no such device.
    UnsupportedSae
        It does not write to the residual stream.
    ModelMismatch
        The model cannot be loaded, or is of another width.

    Notes
    -----
    This is what a feature does by itself at the last step, without what later layers make of it:
    of a feature of an early layer its tokens may say little.
    """
    ranges.require_whole("--top", top, 1)
    config = files.read_model_config(model)
    tokenizer = tokenizers.load_tokenizer(model)
    params = {"model_sha256": files.model_fingerprint(model, config), "top": top}
    with engine.connect() as connection:
        row = saes.read(connection, sae)
        key = _key(saes.weights(row), tokenizer.fingerprint, params)
        _require_residual(row, model, int(config.hidden_size))
        older = _runs(connection, sae)
    if key in older:
        return TokensOutcome(older[key], created=False)
    out = unembedding.load_unembedding(model, len(tokenizer), device)  # long: no lock meanwhile
    with engine.begin() as connection:
        saes.read(connection, sae, lock=True)  # so that no other process finds its tokens meanwhile
        older = _runs(connection, sae)
        if key in older:
            return TokensOutcome(older[key], created=False)
        for number in older.values():
            remove.remove_run(connection, number)
        vectors = sae_vectors.read(connection, sae)
        features = np.flatnonzero(vectors.any(axis=1))
        quality = {"n_features": len(features), "n_zero": len(vectors) - len(features)}
        run = runs.create(
            connection, "tokens", key, sae=sae, params={"model": model} | params, quality=quality
        )
        _write(
            connection, (sae, run), features, vectors, out,
            tokenizer=tokenizer, top=top, report=report,
        )  # fmt: skip
    return TokensOutcome(run, created=True, **quality)


def _key(weights: str, tokenizer: str, params: dict[str, Any]) -> bytes:
    """Hash what the tokens depend on."""
    return runs.input_hash(weights=weights, tokenizer=tokenizer, **params)


def _write(
    connection: sa.Connection,
    numbers: tuple[int, int],
    features: npt.NDArray[np.intp],
    vectors: npt.NDArray[np.float32],
    out: unembedding.Unembedding,
    *,
    tokenizer: tokenizers.Tokenizer,
    top: int,
    report: Report,
) -> None:
    """Write the tokens of features, some features at a time."""
    text = cache(lambda token: tokenizer.piece(token).replace("\0", "\ufffd"))
    size = max(1, LOGITS // len(out.weight))
    for begin in range(0, len(features), size):
        report(Progress("tokens of features", begin, len(features)))
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
    report(Progress("tokens of features", len(features), len(features)))


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
