"""Every error that SAE Atlas raises on purpose.

Each says what is wrong, what available and the command that mends it, so that `cli.py`, which has
the only handler, prints it as it is.

    AtlasError
    ├── DatabaseError
    │   ├── ServerUnreachable    no server answers
    │   ├── LoginRefused         wrong user, password or database
    │   ├── ServerTooOld         PostgreSQL or pgvector older than supported
    │   ├── PgvectorMissing      the server has no pgvector
    │   ├── CatalogOutdated      the tables are older than this program
    │   ├── CatalogTooNew        the tables are newer than this program
    │   ├── DiskFull             the server cannot write
    │   ├── CatalogBusy          another process holds what is needed
    │   └── QueryFailed          the user's own SQL does not run
    └── InputError
        ├── UnknownName          a release, SAE, recording ... that is not there
        ├── NameTaken            another content already has this name
        ├── BadWeights           an SAE whose numbers cannot be used
        ├── UnsupportedSae       an SAE that cannot be honoured faithfully
        ├── ModelMismatch        SAE and model do not belong together
        ├── PoorFit              they fit in shape but not in fact
        ├── BadCorpus            a corpus that cannot be read
        │   ├── BadDocument      one document of it
        │   ├── EmptyCorpus      nothing in it that could be used
        │   └── CorpusChanged    not the documents that were read before
        ├── BadTable             activations from elsewhere that do not add up
        ├── BadWords             words or their vectors that cannot be used
        ├── BadLabels            labels that cannot be read, or of another SAE
        └── BadQuery             a query of the language that means nothing here
"""

import difflib
from collections.abc import Iterable


class AtlasError(Exception):
    """SAE Atlas cannot go on.

    Parameters
    ----------
    wrong : str, optional
        What is wrong, one sentence. Default: the class's own first line.
    available : str, optional
        What there is instead: known names, the value found.
    hint : str, optional
        The command or change that mends it.
    """

    def __init__(
        self, wrong: str | None = None, *, available: str | None = None, hint: str | None = None
    ) -> None:
        self.wrong = wrong or (self.__doc__ or "").strip().splitlines()[0]
        self.available = available
        self.hint = hint
        super().__init__("\n".join(part for part in (self.wrong, available, hint) if part))


class DatabaseError(AtlasError):
    """The database cannot be used."""


class ServerUnreachable(DatabaseError):
    """No PostgreSQL server answers."""


class LoginRefused(DatabaseError):
    """The PostgreSQL server refuses this login."""


class ServerTooOld(DatabaseError):
    """The server is older than SAE Atlas supports."""


class PgvectorMissing(DatabaseError):
    """This PostgreSQL server has no pgvector."""


class CatalogOutdated(DatabaseError):
    """The catalog's tables are older than this version of SAE Atlas."""


class CatalogTooNew(DatabaseError):
    """The catalog's tables are newer than this version of SAE Atlas."""


class DiskFull(DatabaseError):
    """The server's disk is full; nothing of the last step was kept."""


class CatalogBusy(DatabaseError):
    """Another process is working on this."""


class QueryFailed(DatabaseError):
    """The query cannot be run."""


class InputError(AtlasError):
    """The input cannot be used."""


class UnknownName(InputError):
    """There is nothing of this name."""


class NameTaken(InputError):
    """Something else already has this name."""


class BadWeights(InputError):
    """The SAE's weights cannot be used."""


class UnsupportedSae(InputError):
    """This SAE cannot be read faithfully."""


class ModelMismatch(InputError):
    """SAE and model do not belong together."""


class PoorFit(InputError):
    """SAE and model fit in shape but not in fact."""


class BadCorpus(InputError):
    """The corpus cannot be read."""


class BadDocument(BadCorpus):
    """A document cannot be read."""


class EmptyCorpus(BadCorpus):
    """The corpus holds nothing that could be used."""


class CorpusChanged(BadCorpus):
    """The corpus does not hold the documents that were read before."""


class BadTable(InputError):
    """The table of activations cannot be used."""


class BadWords(InputError):
    """The words, or their vectors, cannot be used."""


class BadLabels(InputError):
    """The labels cannot be used."""


class BadQuery(InputError):
    """The query cannot be understood."""


def nearest(name: str, known: Iterable[str], *, n: int = 5) -> str:
    """Say which known names are closest to a mistyped one.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        The names there are.
    n : int, default=5
        How many to show.

    Returns
    -------
    str
        A sentence for ``AtlasError.available``; says so when nothing is known at all.
    """
    names = sorted(set(known))
    if not names:
        return "There is none yet."
    close = difflib.get_close_matches(name, names, n=n, cutoff=0.4)
    shown = close or names[:n]
    more = len(names) - len(shown)
    label = "Nearest" if close else "Known"
    return f"{label}: {', '.join(shown)}" + (f" (and {more} more)." if more else ".")
