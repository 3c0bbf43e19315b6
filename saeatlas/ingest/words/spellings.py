"""Under which names a file may have a word."""

from collections.abc import Iterable


def spellings_of(word: str, *, cased: bool) -> tuple[str, ...]:
    """Spell a word as files of words do.

    Parameters
    ----------
    word : str
    cased : bool
        Whether the file tells capitals from small letters.

    Returns
    -------
    tuple of str
        The likeliest first: the word as it is, with underscores for spaces (New_York), and for a
        file all in small letters both so.
    """
    spelled = (word, word.replace(" ", "_"))
    return spelled if cased else (*spelled, *(name.lower() for name in spelled))


def all_spellings(words: Iterable[str]) -> frozenset[str]:
    """Collect all names that words may have, whatever the file.

    Parameters
    ----------
    words : iterable of str

    Returns
    -------
    frozenset of str
    """
    return frozenset(name for word in words for name in spellings_of(word, cased=False))


def find_spellings(words: Iterable[str], there: Iterable[str], *, cased: bool) -> dict[str, str]:
    """Say under which of its names a file has each word.

    Parameters
    ----------
    words, there : iterable of str
        Words wanted, names that the file has.
    cased : bool
        As for `spellings_of`.

    Returns
    -------
    dict of str to str
        By word; without those that it lacks.
    """
    known = set(there)
    found = {}
    for word in words:
        name = next((name for name in spellings_of(word, cased=cased) if name in known), None)
        if name is not None:
            found[word] = name
    return found
