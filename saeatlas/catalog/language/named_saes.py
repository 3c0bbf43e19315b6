"""Which SAE a query means."""

from collections.abc import Sequence

from saeatlas.catalog.language import operands
from saeatlas.catalog.language.names import Names, Sae
from saeatlas.catalog.language.operands import Place
from saeatlas.catalog.language.query_errors import QueryError

_LISTED = 8
"""Candidates that a message lists."""


def chosen(names: Names, places: Sequence[operands.Saes]) -> list[Sae]:
    """Find the SAEs that all of some places name.

    Parameters
    ----------
    names : Names
    places : sequence of Saes
        None: all.

    Returns
    -------
    list of Sae
        At least one.

    Raises
    ------
    BadQuery
    """
    found = names.saes
    if not found:
        raise QueryError(None, "There is no SAE in the catalog yet.",
                         hint="Bring one in with `saeatlas ingest sae`.")  # fmt: skip
    for place in places:
        attribute = "id" if place.by == "sae" else place.by
        known = [str(getattr(sae, attribute)) for sae in found]
        found = [sae for sae in found if getattr(sae, attribute) == place.value]
        if not found:
            raise _no_sae(place.at, f"{place.by} {place.value}", str(place.value), known)
    return found


def feature(names: Names, node: operands.Feature, among: Sequence[Sae]) -> Sae:
    """Find the one SAE that a feature's name means.

    Parameters
    ----------
    names : Names
    node : Feature
    among : sequence of Sae
        Those that the query is of.

    Returns
    -------
    Sae

    Raises
    ------
    BadQuery
        None, or several; or it has no such feature.
    """
    found = list(among)
    for by, value in (("release", node.release), ("layer", node.layer), ("id", node.sae)):
        if value is None:
            continue
        known = [str(getattr(sae, by)) for sae in found]
        found = [sae for sae in found if getattr(sae, by) == value]
        if not found:
            shown = f"{'sae' if by == 'id' else by} {value}"
            raise _no_sae(node.at, shown, str(value), known)
    sae = _only(node.at, found, f"Layer {node.layer} is that of {len(found)} SAEs.",
               f"Write `sae {found[0].id}:{node.number}`, or which they are: "
               f"`of sae {found[0].id}`, `of release \"{found[0].release}\"`.")  # fmt: skip
    if node.number >= sae.d_sae:
        raise QueryError(
            node.at, f"SAE {sae.id} ({sae.release}/{sae.sae_id}) has no feature "
            f"{node.number}.", available=f"It has features 0 to {sae.d_sae - 1}.",
        )  # fmt: skip
    return sae


def _only(at: Place, found: Sequence[Sae], wrong: str, hint: str) -> Sae:
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(sae) for sae in found[:_LISTED])
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise QueryError(at, wrong, available=f"They are {listed}{more}.", hint=hint)


def _no_sae(at: Place, shown: str, name: str, known: Sequence[str]) -> QueryError:
    if name.isdecimal():
        listed = sorted({each for each in known if each != "None"}, key=lambda n: (len(n), n))
        there = f"Available: {', '.join(listed) or 'none'}."
        return QueryError(at, f"There is no {shown} here.", available=there,
                       hint="`saeatlas query saes` lists them.")  # fmt: skip
    return QueryError(at, f"There is no {shown} here.", name=name, known=known,
                   hint="`saeatlas query saes` lists them.")  # fmt: skip
