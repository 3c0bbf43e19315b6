"""Every error that SAE Atlas raises on purpose.

Each says what is wrong, what is available, and which command or change helps. `cli.py` has the only
handler and prints these three lines as they are.

    AtlasError
    ├── MissingExtra             a package of an extra, as saeatlas[ingest], is not installed
    ├── DatabaseError
    │   ├── ServerUnreachable    no server answers
    │   ├── LoginRefused         wrong user, password or database
    │   ├── ServerTooOld         PostgreSQL or pgvector older than supported
    │   ├── PgvectorMissing      the server has no pgvector
    │   ├── CatalogOutdated      the tables are older than this program
    │   ├── CatalogTooNew        the tables are newer than this program
    │   ├── DiskFull             the server cannot write
    │   ├── CatalogBusy          another process works on the same
    │   └── QueryFailed          the user's own SQL does not run
    └── InputError
        ├── BadFile              a file that is damaged, of another form, or no file at all
        ├── UnknownName          a release, SAE, recording ... that is not there
        ├── NameTaken            another content already has this name
        ├── BadWeights           an SAE whose numbers cannot be used
        ├── UnsupportedSae       an SAE of a form that cannot be read exactly
        ├── WithoutWeights       an SAE that was ingested without weights has no vectors
        ├── ModelMismatch        SAE and model do not belong together
        ├── PoorFit              the SAE reconstructs the model's activations badly
        ├── BadCorpus            a corpus that cannot be read
        │   ├── BadDocument      one document of it
        │   ├── EmptyCorpus      nothing in it that could be used
        │   └── CorpusChanged    not the documents that were read before
        ├── BadTable             activations from a table that contradict each other
        ├── BadWords             words or their vectors that cannot be used
        ├── BadLabels            labels that cannot be read, or of another SAE
        └── BadQuery             a text that is no query, or names what is not there
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from saeatlas.messages import printable

DOCS = "https://github.com/saeatlas/saeatlas/tree/main/docs"
"""Where messages and help send the reader: the documentation of pyproject's project.urls."""


class AtlasError(Exception):
    """SAE Atlas cannot go on.

    Parameters
    ----------
    wrong : str, optional
        What is wrong, one sentence. Default: the class's own first line.
    available : str, optional
        What is available instead: known names, the value found.
    hint : str, optional
        The command or change that helps.
    """

    def __init__(
        self, wrong: str | None = None, *, available: str | None = None, hint: str | None = None
    ) -> None:
        self.wrong = printable(wrong or (self.__doc__ or "").strip().splitlines()[0])
        self.available = available and printable(available)
        self.hint = hint and printable(hint)
        parts = (self.wrong, self.available, self.hint)
        super().__init__("\n".join(part for part in parts if part))


class MissingExtra(AtlasError):
    """A package that only some commands need is not installed.

    Parameters
    ----------
    package : str
        Its name.
    extra : str, default='ingest'
        The extra of SAE Atlas that brings it.
    """

    def __init__(self, package: str, extra: str = "ingest") -> None:
        super().__init__(
            f"This needs the package {package}, which is not installed.",
            hint=f"Install it: pip install 'saeatlas[{extra}]'",
        )


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


class BadFile(InputError):
    """The file cannot be read."""


class UnknownName(InputError):
    """There is nothing of this name."""


class NameTaken(InputError):
    """Something else already has this name."""


class BadWeights(InputError):
    """The SAE's weights cannot be used."""


class UnsupportedSae(InputError):
    """This SAE cannot be read exactly."""


class WithoutWeights(InputError):
    """The SAE was ingested without weights."""


class ModelMismatch(InputError):
    """SAE and model do not belong together."""


class PoorFit(InputError):
    """The SAE reconstructs this model's activations badly."""


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


EXTRAS = {
    "analyze": ("scipy", "sklearn", "threadpoolctl"),
    "parquet": ("pyarrow",),
    "anndata": ("anndata",),
    "ingest": (
        "datasets", "huggingface_hub", "pydantic", "sae_lens", "safetensors", "tokenizers",
        "torch", "transformer_lens", "transformers", "zstandard",
    ),
}  # fmt: skip
"""Packages, as Python imports them, by the extra of pyproject.toml that brings them."""


@contextmanager
def extras() -> Iterator[None]:
    """Turn the failed import of an extra's package into the sentence that says what to install.

    Raises
    ------
    MissingExtra
        A package of an extra cannot be imported.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for extra, packages in EXTRAS.items():
            if package in packages:
                raise MissingExtra(package, extra) from error
        raise


@contextmanager
def raised_as(kind: type[InputError]) -> Iterator[None]:
    """Raise what is wrong with a file as the error of those who read it.

    Parameters
    ----------
    kind : type
        As `BadWords`.

    Raises
    ------
    InputError
        Of this kind, in place of `BadFile`.
    """
    try:
        yield
    except BadFile as error:
        raise kind(error.wrong, available=error.available, hint=error.hint) from error


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
