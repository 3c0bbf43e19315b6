"""Stream a data set from the Hugging Face hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from saeatlas import errors
from saeatlas.ingest.corpora import places
from saeatlas.ingest.corpora.places import Row
from saeatlas.messages import first_lines

if TYPE_CHECKING:
    from datasets import IterableDataset

_SECONDS = 10  # to wait for the hub's first answer


def commit(repo: str, revision: str | None) -> str:
    """Ask the hub which commit of a data set a revision names.

    Asked first, because it fails within seconds where datasets goes on trying.

    Parameters
    ----------
    repo : str
        The data set's name.
    revision : str or None
        A branch, tag or commit; None: the newest commit.

    Returns
    -------
    str
        The commit's SHA.

    Raises
    ------
    UnknownName
        There is no such data set or revision.
    BadCorpus
        The hub does not answer, or does not let this user in.
    """
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub_errors

    try:
        found = HfApi().dataset_info(repo, revision=revision, timeout=_SECONDS, expand=["sha"])
    except hub_errors.GatedRepoError as error:
        raise _gated(repo) from error
    except hub_errors.RepositoryNotFoundError as error:
        raise _unknown(repo) from error
    except hub_errors.RevisionNotFoundError as error:
        raise errors.UnknownName(
            f"The data set {repo} has no revision {revision!r}.",
            available=f"Its commits: https://huggingface.co/datasets/{repo}/commits/main",
            hint=f"Name it as {repo} or {repo}@REVISION.",
        ) from error
    except Exception as error:  # the HTTP library's own tree changes with huggingface_hub
        raise errors.BadCorpus(
            f"The data set {repo} cannot be looked up on the Hugging Face hub.",
            available=" ".join(
                (
                    _said(error),
                    _near(repo),
                )
            ).strip(),
            hint="Check the connection and HF_HUB_OFFLINE, or name a file or folder of this "
            "machine.",
        ) from error
    return str(found.sha)


def stream(repo: str, config: str | None, split: str, revision: str | None) -> "IterableDataset":
    """Open a data set for streaming.

    Parameters
    ----------
    repo : str
        The data set's name, or a folder in the hub's layout.
    config : str or None
        Which of its configurations; None if it has only one.
    split : str
        Which of its splits.
    revision : str or None
        The commit; None for a folder.

    Returns
    -------
    IterableDataset
        Its images and sounds are left as bytes.

    Raises
    ------
    UnknownName
        The data set has no such configuration or split.
    BadCorpus
        It cannot be streamed.
    """
    import datasets

    with _without_bars():
        try:
            splits = datasets.load_dataset(repo, config, revision=revision, streaming=True)
        except datasets.exceptions.DatasetNotFoundError as error:
            raise (_gated(repo) if "gated" in str(error) else _unknown(repo)) from error
        except Exception as error:
            _refuse_config(repo, config, revision)
            raise errors.BadCorpus(
                f"The data set {repo} cannot be streamed.",
                available=_said(error),
                hint="Name another data set, or download its files and name their folder.",
            ) from error
    if split not in splits:
        raise errors.UnknownName(
            f"The data set {repo} has no split {split!r}.",
            available=errors.nearest(split, splits),
            hint="Name one of them with --split.",
        )
    dataset = splits[split]
    return dataset.decode(False) if dataset.features is not None else dataset


def hub_rows(dataset: "IterableDataset", repo: str, start: int) -> Iterator[Row]:
    """Yield the rows of a data set that is open.

    Parameters
    ----------
    dataset : IterableDataset
        The data set.
    repo : str
        Its name.
    start : int
        How many rows to pass over.

    Yields
    ------
    origin : str
        ``name:row``.
    row : dict or BadDocument
        Its fields.

    Raises
    ------
    BadCorpus
        The stream breaks off.
    """
    stream_of_rows = iter(dataset.skip(start) if start else dataset)
    for number in count(start + 1):
        try:
            row = next(stream_of_rows)
        except StopIteration:
            return
        except Exception as error:  # network, archive, cast: each of its own library
            raise errors.BadCorpus(
                f"The stream of {repo} broke off after document {number - 1}.",
                available=_said(error),
                hint="Run the same command again to continue where it stopped.",
            ) from error
        yield f"{repo}:{number}", row


def _refuse_config(repo: str, config: str | None, revision: str | None) -> None:
    import datasets

    try:
        names = datasets.get_dataset_config_names(repo, revision=revision)
    except Exception:  # then the configuration was not the reason
        return
    if config is None and len(names) > 1:
        raise errors.UnknownName(
            f"The data set {repo} has several configurations and none is named.",
            available=f"There are: {', '.join(names)}.",
            hint="Name one of them with --config.",
        )
    if config is not None and config not in names:
        raise errors.UnknownName(
            f"The data set {repo} has no configuration {config!r}.",
            available=errors.nearest(config, names),
            hint="Name one of them with --config.",
        )


def _gated(repo: str) -> errors.BadCorpus:
    return errors.BadCorpus(
        f"The data set {repo} is gated: its owner lets in only those who accept its terms.",
        hint=f"Accept them at https://huggingface.co/datasets/{repo} and log in: hf auth login",
    )


def _unknown(repo: str) -> errors.UnknownName:
    return errors.UnknownName(
        f"There is no data set {repo!r} on the Hugging Face hub that this user may see, "
        "and no such file or folder here.",
        available=_near(repo),
        hint="Look it up at https://huggingface.co/datasets; for a private one: hf auth login",
    )


def _near(repo: str) -> str:
    """Say which files have such a name, in case that a file was meant."""
    said = (places.near(repo), places.near(repo.rpartition("/")[2]))
    return next((text for text in said if "Nearest" in text), "")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_lines(error, empty='no reason given')}"


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep the libraries' own progress bars off the terminal: a library draws none."""
    import datasets
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    switches: list[tuple[Any, Any, Any]] = [
        (are_progress_bars_disabled, disable_progress_bars, enable_progress_bars),
        (
            lambda: not datasets.is_progress_bar_enabled(),
            datasets.disable_progress_bars,
            datasets.enable_progress_bars,
        ),
    ]
    to_restore = [switch_on for is_off, _, switch_on in switches if not is_off()]
    for _, switch_off, _ in switches:
        switch_off()
    try:
        yield
    finally:
        for switch_on in to_restore:
            switch_on()
