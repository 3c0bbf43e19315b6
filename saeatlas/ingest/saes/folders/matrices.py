"""Weights by whatever name and on whichever side, in sae-lens' names and orientation."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.saes.folders import known_entries
from saeatlas.ingest.saes.raw_sae import Arrays

Matrix = npt.NDArray[np.float32]

_DECODERS = {"W_dec": False, "w_dec": False, "W_D": False, "decoder.weight": True,
             "decoder_linear.weight": True}  # fmt: skip
_ENCODERS = {"W_enc": True, "w_enc": True, "W_E": True, "encoder.weight": False,
             "encoder_linear.weight": False}  # fmt: skip
"""By name, whether the features are its columns by custom; torch.nn.Linear keeps (out, in)."""

_OF_FEATURES: dict[str, tuple[str, ...]] = {
    "b_enc": (
        "b_enc", "encoder.bias", "encoder_linear.bias", "b_E", "encoder_bias", "latent_bias",
    ),
    "threshold": ("threshold", "activation_function.threshold"),
    "log_threshold": (
        "log_threshold", "log_jumprelu_threshold", "activation_function.log_jumprelu_threshold",
    ),
    "b_gate": ("b_gate", "gate_bias"),
    "b_mag": ("b_mag", "mag_bias"),
    "r_mag": ("r_mag",),
}  # fmt: skip
_OF_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "b_dec": ("b_dec", "decoder.bias", "decoder_linear.bias", "b_D", "decoder_bias", "pre_bias"),
}
_OF_EITHER: dict[str, tuple[str, ...]] = {"b_dec": ("bias",)}
"""Whose it is differs between projects: it says nothing of the side the features are on."""

_ALIASES = [
    (name, alias, at)
    for at, group in enumerate((_OF_FEATURES, _OF_DIMENSIONS, _OF_EITHER))
    for name, aliases in group.items()
    for alias in aliases
]


@dataclass(frozen=True)
class Weights:
    """Weights of one SAE.

    Parameters
    ----------
    name : str
        The file's, for messages.
    decoder : ndarray of shape (d_sae, d_out), float32
    encoder : ndarray of shape (d_sae, d_in), float32, or None
        One row a feature.
    vectors : dict of str to ndarray
        The rest that is known, by sae-lens' names: b_enc, b_dec, threshold, log_threshold, b_gate,
        b_mag, r_mag.
    others : dict of str to str
        By its name in the file, what each array besides decoder and encoder is: a name of
        `vectors`, or its own.
    """

    name: str
    decoder: Matrix
    encoder: Matrix | None
    vectors: dict[str, npt.NDArray[np.float32]]
    others: dict[str, str]

    def sae_lens(
        self, *names: str, beside: Collection[str] = ()
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return W_enc, W_dec and the vectors of these names, as sae-lens has them.

        A threshold may be one number for all features. `beside` names arrays that the caller uses,
        or knows to change nothing; any further one is refused.
        """
        missing = [name for name in names if name not in self.vectors]
        if self.encoder is None:
            missing.insert(0, "encoder")
        numbers = [name for name in set(names) - {"threshold"} if name not in missing]
        missing += [name for name in numbers if self.vectors[name].ndim != 1]
        if self.encoder is None or missing:
            raise errors.BadWeights(
                f"The file holds no {', '.join(missing)}, which its configuration needs.",
                hint="Give the whole folder as its trainer wrote it.",
            )
        self._require_all_used({*names, *beside})
        vectors = {name: self.vectors[name] for name in names}
        if "threshold" in names:
            vectors["threshold"] = np.broadcast_to(vectors["threshold"], (len(self.decoder),))
        return {"W_enc": np.ascontiguousarray(self.encoder.T), "W_dec": self.decoder} | vectors

    def _require_all_used(self, used: Collection[str]) -> None:
        extra = sorted(name for name, known in self.others.items() if known not in used)
        if extra:
            more = f" and {len(extra) - 8} more" if len(extra) > 8 else ""
            raise errors.UnsupportedSae(
                f"{self.name} holds {', '.join(extra[:8])}{more}, which an SAE of its kind has no "
                "use for.",
                available="What it does to the activations is not known.",
                hint="Check that it is the right file. Its decoder alone is read after "
                "numpy.save(file, W_dec).",
            )

    def require_sizes(self, where: str, d_in: int | None, d_sae: int | None = None) -> None:
        """Refuse weights of other widths than a configuration names; None is any."""
        shape = self.decoder.shape if self.encoder is None else self.encoder.shape
        for name, said, found in (("features", d_sae, shape[0]), ("dimensions", d_in, shape[1])):
            if said is not None and said != found:
                raise errors.BadWeights(
                    f"The configuration in {where} says {said:,} {name}; the weights have "
                    f"{found:,}.",
                    hint="Take weights and configuration from the same place.",
                )


def read_weights(name: str, arrays: Arrays) -> Weights:
    """Find decoder, encoder and biases, and turn them so that a row is a feature.

    Parameters
    ----------
    name : str
        The file's, for messages.
    arrays : mapping of str to ndarray

    Returns
    -------
    Weights

    Raises
    ------
    BadWeights
        There is no decoder, or the shapes contradict each other.

    Notes
    -----
    W_dec has one row a feature by custom, torch.nn.Linear's decoder.weight one column. The custom
    yields to the lengths of b_enc, thresholds and b_dec.
    """
    found = _named(arrays, _DECODERS)
    if found is None:
        raise errors.BadWeights(
            f"{name} holds no decoder.",
            available=f"It holds {_listed(arrays)}.",
            hint=f"The decoder is looked for as {', '.join(_DECODERS)}.",
        )
    key, decoder = found
    _require_matrix(name, decoder)
    rest = {
        k: values
        for k, values in arrays.items()
        if k != key and (values.ndim or not known_entries.changes_nothing(k))
    }
    vectors, others, of_features, of_dimensions = _vectors(rest)
    beside = _named(arrays, _ENCODERS)
    sides = _sides(decoder, of_features, of_dimensions, beside)
    custom = _DECODERS[key]
    said = bool(of_features or of_dimensions)
    if not sides or (beside is not None and _is_undecided(key, decoder, beside, said=said)):
        raise _contradiction(name, arrays)
    on_side = custom if custom in sides else not custom
    rows = decoder.T if on_side else decoder
    encoder = None if beside is None else _rows(beside, len(rows))
    if encoder is not None:
        _require_matrix(name, encoder)
    if beside is not None:
        del others[beside[0]]
    in_single = None if encoder is None else _single(encoder)
    return Weights(name, _single(rows), in_single, vectors, others)


def _named(arrays: Arrays, names: dict[str, bool]) -> tuple[str, npt.NDArray[np.generic]] | None:
    return next(((key, arrays[key]) for key in names if key in arrays), None)


def _vectors(
    arrays: Arrays,
) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, str], list[int], list[int]]:
    """Return vectors by sae-lens' names, what each array is, and the lengths of either side."""
    vectors: dict[str, npt.NDArray[np.float32]] = {}
    others = {name: name for name in arrays}
    lengths: tuple[list[int], list[int], list[int]] = ([], [], [])
    for name, alias, at in _ALIASES:
        values, side = arrays.get(alias), lengths[at]
        if values is None:
            continue
        others[alias] = ""  # nothing, unless it is kept
        if values.size > 1 and values.size == max(values.shape):
            side.append(values.size)
            values = values.reshape(-1)
        elif values.size == 1:
            values = values.reshape(())
        if values.ndim <= 1 and values.dtype.kind in "fiu" and name not in vectors:
            with np.errstate(over="ignore"):
                vectors[name] = np.asarray(values, np.float32)
            others[alias] = name
    return vectors, others, lengths[0], lengths[1]


def _sides(
    decoder: npt.NDArray[np.generic],
    of_features: list[int],
    of_dimensions: list[int],
    beside: tuple[str, npt.NDArray[np.generic]] | None,
) -> set[bool]:
    """Say on which sides of the decoder its features can be: False rows, True columns."""
    sides = set()
    for on_side in (False, True):
        n_features, width = decoder.shape[::-1] if on_side else decoder.shape
        fits = all(n == n_features for n in of_features) and all(n == width for n in of_dimensions)
        if fits and (beside is None or n_features in beside[1].shape):
            sides.add(on_side)
    return sides


def _is_undecided(
    key: str,
    decoder: npt.NDArray[np.generic],
    beside: tuple[str, npt.NDArray[np.generic]],
    *,
    said: bool,
) -> bool:
    """Say whether it is open which side the features are on; `said` is that vectors decide."""
    name, encoder = beside
    if encoder.ndim != 2:
        return True
    if said or decoder.shape[0] == decoder.shape[1]:
        return False
    n_features = decoder.shape[int(_DECODERS[key])]
    says = encoder.shape[int(_ENCODERS[name])]
    return bool(says != n_features or n_features < max(encoder.shape))


def _rows(beside: tuple[str, npt.NDArray[np.generic]], n_features: int) -> npt.NDArray[np.generic]:
    key, encoder = beside
    sides = [side for side in (False, True) if encoder.shape[int(side)] == n_features]
    on_side = _ENCODERS[key] if _ENCODERS[key] in sides else not _ENCODERS[key]
    return encoder.T if on_side else encoder


def _require_matrix(name: str, values: npt.NDArray[np.generic]) -> None:
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.floating) or 0 in values.shape:
        raise errors.BadWeights(
            f"The decoder in {name} has shape {values.shape} and type {values.dtype}.",
            available="Expected are floating-point numbers of shape (d_sae, d_in).",
            hint="Save W_dec alone, one row per feature, as float32.",
        )


def _single(values: npt.NDArray[np.generic]) -> Matrix:
    with np.errstate(over="ignore"):  # infinity is found out later
        return np.ascontiguousarray(values, np.float32)


def _contradiction(name: str, arrays: Arrays) -> errors.BadWeights:
    return errors.BadWeights(
        f"The arrays in {name} contradict each other: which side of W_dec the features are on "
        "cannot be told.",
        available=f"It holds {_listed(arrays, shapes=True)}.",
        hint="Save W_dec alone, one row per feature: numpy.save(file, W_dec).",
    )


def _listed(arrays: Arrays, *, shapes: bool = False, n: int = 8) -> str:
    shown = [f"{k} {arrays[k].shape}" if shapes else k for k in sorted(arrays)[:n]]
    more = f" and {len(arrays) - n} more" if len(arrays) > n else ""
    return (", ".join(shown) or "nothing") + more
