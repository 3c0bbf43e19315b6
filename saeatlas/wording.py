"""Numbers with their nouns, for messages."""


def counted(n: int, noun: str) -> str:
    """Write a number and its noun: ``1 block``, ``2,001 blocks``.

    Parameters
    ----------
    n : int
    noun : str
        In the singular; its plural ends in s. Words before the noun may come with it, as
        ``active feature``.

    Returns
    -------
    str
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
