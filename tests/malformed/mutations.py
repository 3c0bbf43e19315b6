"""Ways to spoil a file, drawn by hypothesis: bytes, ends, lengths, values of JSON."""

import json
import random
import string
from typing import Any

from hypothesis import strategies as st

LONG = "".join(random.Random(0).choices(string.ascii_letters + string.digits, k=9000))
"""A name that no index holds: it cannot be compressed."""

HOSTILE_TEXTS = (
    b"NaN", b"-1", b"1e999", b"1_000", b"0x10", b"9" * 5000, b'"\\ud800"', b'"\\u0000"', b"null",
    b"true", b"{}", b"[]", b"[" * 100_000, b'{"a":' * 100_000, b'"' + LONG.encode() + b'"',
    b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\r", b'"', b",", b"\n" * 40,
)  # fmt: skip
"""What stands in place of some bytes of a text."""

HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5, 1e308, "", "\ud800", "\0", LONG, "9" * 5000, "../..",
    [], {}, [[]], {"a": {"b": None}}, ["x"] * 3, "NaN", "7", "@deep@", "@digits@", "@bare@",
)  # fmt: skip
"""What stands in place of a value of JSON."""

MARKS = {
    b'"@deep@"': b'[{"a":' * 50_000 + b"0" + b"}]" * 50_000,
    b'"@digits@"': b"9" * 5000,
    b'"@bare@"': b"NaN",
}
"""What Python would not write as JSON, by what stands for it."""

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)

HEADERS = (
    b"'shape': (1000000, 1000000)", b"'shape': (-1, 24)", b"'shape': (9223372036854775807, 2)",
    b"'shape': 5", b"'shape': ()", b"'shape': (0, 10000000000000)", b"'shape': (True, 24)",
    b"'descr': '|O'", b"'descr': '<U99999999'", b"'descr': '<f2'", b"'descr': '>f4'",
    b"'descr': [('a', '<f4')]", b"'descr': '(9,9)f4'", b"'descr': 'm8[s]'", b"'descr': ''",
    b"'shape': " + b"(" * 3000, b"'shape': (" + b"9" * 5000 + b",)", b"'fortran_order': 3",
)  # fmt: skip
"""What stands in the header of an array in place of what was there."""


@st.composite
def spoiled_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """Change, take out, repeat or cut off some bytes of a file, or write large numbers into it."""
    content = bytearray(whole)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 5)))):
        # beginnings and ends hold what says how the rest is to be read
        places = st.one_of(
            st.integers(0, min(len(content), 200)),
            st.integers(max(0, len(content) - 200), len(content)),
            st.integers(0, len(content)),
        )
        at = draw(places)
        way = draw(st.sampled_from(("flip", "cut", "remove", "repeat", "number", "text")))
        if way == "flip":
            content[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif way == "cut":
            del content[at:]
        elif way == "remove":
            del content[at : at + draw(st.integers(1, 50))]
        elif way == "repeat":
            content[at:at] = content[at : at + draw(st.integers(1, 200))]
        elif way == "number":
            width = draw(st.sampled_from((1, 2, 4, 8)))
            number = draw(st.sampled_from(EXTREMES)) % 256**width
            content[at : at + width] = number.to_bytes(width, "little")
        else:
            content[at : at + draw(st.integers(0, 10))] = draw(st.sampled_from(HOSTILE_TEXTS))
    return bytes(content)


@st.composite
def spoiled_header(draw: st.DrawFn, whole: bytes) -> bytes:
    """Change what the header of a .npy file says, and the header's length with it."""
    length = int.from_bytes(whole[8:10], "little")
    header, values = whole[10 : 10 + length], whole[10 + length :]
    said = draw(st.sampled_from(HEADERS))
    key = said.partition(b":")[0]
    start = header.index(key)
    end = header.index(b", '", start) if b", '" in header[start:] else header.index(b", }", start)
    header = header[:start] + said + header[end:]
    if draw(st.booleans()):
        length = len(header)
    if draw(st.integers(0, 9)) == 0:
        return b"\x93NUMPY\x02\x00" + (2**32 - 1).to_bytes(4, "little") + header + values
    return whole[:8] + (length % 65536).to_bytes(2, "little") + header + values


@st.composite
def spoiled_json(draw: st.DrawFn, whole: bytes) -> bytes:
    """Put another value in place of one of a JSON text, or take it out."""
    lines = whole.splitlines() if whole.count(b"\n") > 1 and whole[:1] == b"{" else [whole]
    i = draw(st.integers(0, len(lines) - 1))
    root = [json.loads(lines[i])]
    inside: list[tuple[Any, Any]] = [(root, 0)]
    for holder, key in inside:
        value = holder[key]
        keys = (
            range(len(value))
            if isinstance(value, list)
            else value
            if isinstance(value, dict)
            else ()
        )
        inside.extend((value, inner) for inner in list(keys)[:20])
    holder, key = draw(st.sampled_from(inside))
    if draw(st.integers(0, 4)) or holder is root:
        holder[key] = draw(st.sampled_from(HOSTILE_VALUES))
    else:
        del holder[key]
    lines[i] = json.dumps(root[0]).encode()
    for name, text in MARKS.items():
        lines[i] = lines[i].replace(name, text)
    return b"\n".join(lines) + b"\n"
