"""A line of a query with a caret under the place that is meant."""


def caret(text: str, start: int, end: int | None = None) -> str:
    """Show where something stands.

    Parameters
    ----------
    text : str
        The whole query.
    start : int
        Its first character; the length of the text for its end.
    end : int, optional
        The one after its last. Default: one character.

    Returns
    -------
    str
        The line, and below it a caret a character.
    """
    first = text.rfind("\n", 0, start) + 1
    line = text[first:].split("\n", 1)[0].rstrip("\r")
    space = "".join("\t" if character == "\t" else " " for character in text[first:start])
    width = max(1, min((end or 0) - start, len(line) - len(space)))
    return f"{line}\n{space}{'^' * width}"
