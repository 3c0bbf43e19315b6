"""sae-lens' registry of published SAEs: names, layers, widths and sparsities. Offline."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saeatlas import errors

if TYPE_CHECKING:
    from sae_lens.loading.pretrained_saes_directory import PretrainedSAELookup

_LAYER = re.compile(r"(?:layer_?|blocks\.|layers\.|^l)(\d+)")
_WIDTH = re.compile(r"width_(\w+?)(?=[/_]|$)")
_L0 = re.compile(r"(?:^|[/_])(?:average_)?l0_(\w+?)(?=[/_]|$)")
_SITES = (
    ("mlp", re.compile(r"mlp|transcoder|^l\d+m_|lxm")),
    ("att", re.compile(r"att|hook_z|^l\d+a_|lxa")),
    ("resid", re.compile(r"res|embedding|^l\d+r_|lxr")),
)


@dataclass(frozen=True)
class Entry:
    """One SAE of the registry.

    Parameters
    ----------
    release, sae_id : str
    model_name : str or None
        As sae-lens calls it. None outside the registry.
    layer : int or None
    site : {'resid', 'mlp', 'att'} or None
    width : str or None
        As its id writes it: ``16k``.
    sparsity : str or None
        As its id writes it: ``41`` of ``average_l0_41``, ``medium`` of Gemma Scope 2.
    l0, explained_variance : float or None
        Published. The registry's 0 and 1 stand for unknown.
    neuronpedia_id : str or None
    """

    release: str
    sae_id: str
    model_name: str | None = None
    layer: int | None = None
    site: str | None = None
    width: str | None = None
    sparsity: str | None = None
    l0: float | None = None
    explained_variance: float | None = None
    neuronpedia_id: str | None = None


def find_entry(release: str, sae_id: str) -> Entry:
    """Look one SAE up.

    Parameters
    ----------
    release : str
        Of the registry, or a hub repository ``owner/name``, which is taken as it is.
    sae_id : str

    Returns
    -------
    Entry

    Raises
    ------
    UnknownName
    """
    if release not in releases() and "/" in release:
        return Entry(release, sae_id, **read_id(release, sae_id))
    lookup = lookup_release(release)
    if sae_id not in lookup.saes_map:
        raise errors.UnknownName(
            f"Release {release} has no SAE {sae_id!r}.",
            available=errors.nearest(sae_id, lookup.saes_map),
            hint=f"`saeatlas ingest layers N --release {release}` finds one by layer.",
        )
    return _entry(lookup, sae_id)


def select_entries(
    release: str,
    layers: Sequence[int],
    *,
    width: str | None = None,
    l0: str | None = None,
    site: str | None = None,
) -> list[Entry]:
    """Choose one SAE a layer.

    Parameters
    ----------
    release : str
        Of the registry.
    layers : sequence of int
    width : str, optional
        As the ids write it: ``16k``.
    l0 : str, optional
        As the ids write it (``41``, ``medium``); ``closest:50`` for the nearest, ties the lower;
        ``canonical`` for the one that the release's canonical list names.
    site : {'resid', 'mlp', 'att'}, optional

    Returns
    -------
    list of Entry
        One each, in the layers' order.

    Raises
    ------
    UnknownName
        A layer, width or l0 that the release does not have.
    InputError
        Several SAEs fit.
    """
    lookup = lookup_release(release)
    entries = [_entry(lookup, sae_id) for sae_id in lookup.saes_map]
    entries = [entry for entry in entries if "embedding" not in entry.sae_id]
    chosen = []
    for layer in layers:
        fitting = _narrow(release, entries, f"layer {layer}", lambda e: e.layer, layer)
        label = f"layer {layer}"
        if site is not None:
            fitting = _narrow(release, fitting, f"--site {site} at {label}", lambda e: e.site, site)
        if width is not None:
            what = f"--width {width} at {label}"
            fitting = _narrow(release, fitting, what, lambda e: e.width, width)
        if l0 is not None:
            fitting = _by_l0(lookup, fitting, label, l0)
        chosen.append(_only(release, _usual(entries, fitting), label))
    return chosen


def _usual(entries: list[Entry], fitting: list[Entry]) -> list[Entry]:
    """Prefer the input site that the release has at nearly every layer to an extra one at the end.

    GPT-2's residual SAEs stand before each layer, and one more after the last.
    """
    shapes = Counter(re.sub(r"\d+", "N", entry.sae_id) for entry in entries)
    counts = [shapes[re.sub(r"\d+", "N", entry.sae_id)] for entry in fitting]
    best = max(counts)
    usual = [entry for entry, n in zip(fitting, counts, strict=True) if n == best]
    rare = all(n * 4 <= best for n in counts if n < best)
    return usual if len(usual) == 1 and rare else fitting


def releases() -> "dict[str, PretrainedSAELookup]":
    """Return all releases of the registry, by name."""
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    directory: dict[str, PretrainedSAELookup] = get_pretrained_saes_directory()
    return directory


def lookup_release(release: str) -> "PretrainedSAELookup":
    """Look up a release of the registry; UnknownName if there is none."""
    known = releases()
    if release not in known:
        raise errors.UnknownName(
            f"sae-lens' registry has no release {release!r}.",
            available=errors.nearest(release, known),
            hint="A hub repository is named as owner/name; files at hand are read with --path.",
        )
    return known[release]


def _entry(lookup: "PretrainedSAELookup", sae_id: str) -> Entry:
    path = lookup.saes_map[sae_id]
    read = read_id(lookup.release, sae_id)
    published = lookup.expected_l0.get(sae_id) or None
    in_path = _L0.search(path)
    if published is None and in_path and in_path[1].isdecimal():
        published = float(in_path[1])
    explained = lookup.expected_var_explained.get(sae_id)
    return Entry(
        lookup.release,
        sae_id,
        model_name=lookup.model,
        l0=published,
        explained_variance=None if explained in (None, 1.0) else explained,
        neuronpedia_id=lookup.neuronpedia_id.get(sae_id) or _page_of_same_weights(lookup, path),
        **read,
    )


def read_id(release: str, sae_id: str) -> dict[str, Any]:
    """Read layer, site, width and sparsity from an SAE's id, else from its release's name.

    Parameters
    ----------
    release, sae_id : str

    Returns
    -------
    dict
        layer, width, sparsity, site; None where neither name has it.
    """
    layer, width, l0 = (p.search(sae_id) for p in (_LAYER, _WIDTH, _L0))
    sites = [name for text in (sae_id, release) for name, pattern in _SITES if pattern.search(text)]
    return {
        "layer": int(layer[1]) if layer else None,
        "width": width[1] if width else None,
        "sparsity": l0[1] if l0 else None,
        "site": sites[0] if sites else None,
    }


def _page_of_same_weights(lookup: "PretrainedSAELookup", path: str) -> str | None:
    """Find the Neuronpedia page of the same weights under another name of the same repository."""
    other = releases().get(f"{lookup.release}-canonical")
    if other is None or other.repo_id != lookup.repo_id:
        return None
    same = [sae_id for sae_id, other_path in other.saes_map.items() if other_path == path]
    return other.neuronpedia_id.get(same[0]) if same else None


def _narrow(
    release: str,
    entries: list[Entry],
    what: str,
    key: Callable[[Entry], Any],
    wanted: Any,
) -> list[Entry]:
    fitting = [entry for entry in entries if key(entry) == wanted]
    if not fitting:
        known = sorted({key(entry) for entry in entries} - {None})
        raise errors.UnknownName(
            f"Release {release} has no {what}.",
            available=f"Available: {_short(known)}." if known else "Its ids say nothing of it.",
            hint="Name one SAE with `saeatlas ingest sae --release ... --sae-id ...`.",
        )
    return fitting


def _by_l0(lookup: "PretrainedSAELookup", entries: list[Entry], label: str, l0: str) -> list[Entry]:
    what = f"--l0 {l0} at {label}"
    if l0 == "canonical":
        other = releases().get(f"{lookup.release}-canonical", lookup)
        paths = {p for i, p in other.saes_map.items() if other is not lookup or "canonical" in i}
        canonical = [e for e in entries if lookup.saes_map[e.sae_id] in paths]
        return canonical or _narrow(lookup.release, entries, what, lambda e: e.sparsity, l0)
    nearest = re.fullmatch(r"closest:(\d+(?:\.\d+)?)", l0)
    if nearest is None and l0.startswith("closest"):
        raise errors.InputError(f"--l0 {l0} names no number.", hint="Write closest:50.")
    if nearest is None:
        return _narrow(lookup.release, entries, what, lambda e: e.sparsity, l0)
    wanted = float(nearest[1])
    distances = {e: abs(e.l0 - wanted) for e in entries if e.l0 is not None}
    if not distances:
        return _narrow(lookup.release, entries, what, lambda e: e.sparsity, l0)
    least = min(distances.values())
    lowest = min(e.l0 or 0.0 for e, distance in distances.items() if distance == least)
    return [e for e, distance in distances.items() if distance == least and e.l0 == lowest]


def _only(release: str, entries: list[Entry], label: str) -> Entry:
    if len(entries) == 1:
        return entries[0]
    open_to = {
        "--site": {e.site for e in entries},
        "--width": {e.width for e in entries},
        "--l0": {e.sparsity for e in entries},
    }
    narrowing = [option for option, values in open_to.items() if len(values) > 1]
    raise errors.InputError(
        f"Release {release} has {len(entries)} SAEs at {label}.",
        available=f"They are {_short([e.sae_id for e in entries])}.",
        hint=f"Narrow it with {' and '.join(narrowing)}."
        if narrowing
        else "Name each with `saeatlas ingest sae --release ... --sae-id ...`.",
    )


def _short(names: Iterable[Any], n: int = 12) -> str:
    shown = [str(name) for name in names]
    more = f" and {len(shown) - n} more" if len(shown) > n else ""
    return ", ".join(shown[:n]) + more
