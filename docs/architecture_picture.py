"""Draw docs/architecture.svg: the parts of the package, what they import, and the flow of data.

python docs/architecture_picture.py writes it; tests/docs/test_architecture.py compares it with the
imports. An arrow from a room leads to a room that it imports. Imports that follow from other
arrows are not drawn: the arrows are the transitive reduction of the imports between rooms.
"""

from pathlib import Path

import grimp

PICTURE = Path(__file__).with_name("architecture.svg")

BASE = "settings, errors, messages, ranges, progress, wording"
ROOMS = {
    "cli": (350, 16, 200, "arguments, exit status"),
    "commands": (350, 96, 200, "options, progress, output"),
    "demo": (620, 140, 170, "a small real model"),
    "api": (110, 140, 170, "saeatlas.connect()"),
    "ingest": (155, 270, 170, "files to tables"),
    "analyses": (365, 270, 170, "tables to tables"),
    "catalog": (575, 270, 170, "tables to answers"),
    "schema": (155, 400, 590, "tables, views, functions, migrations: PostgreSQL with pgvector"),
    BASE: (260, 494, 380, "used everywhere"),
}
"""Left, top and width of each room, and what it is for."""

OUTSIDE = {"SAE files": (4, 270, 120, "models, texts"), "answers": (776, 270, 120, "rows, arrays")}
DATA = (
    ("SAE files", "ingest"), ("ingest", "schema"), ("schema", "analyses"), ("analyses", "schema"),
    ("schema", "catalog"), ("catalog", "answers"),
)  # fmt: skip
"""The flow of data, from an SAE file to an answer."""

HEIGHT = 52
IMPORTS, WAY, INK = "#98a4ad", "#c2571a", "#222"
Edges = set[tuple[str, str]]


def room(module: str) -> str:
    """Return the room of a module; the package itself only holds the version and `connect`."""
    name = module.split(".")[1] if "." in module else "saeatlas"
    return BASE if name in BASE.split(", ") else name


def imports() -> Edges:
    """Read which room imports which, from the code."""
    graph = grimp.build_graph("saeatlas", cache_dir=None)
    edges = {
        (room(one), room(other))
        for one in graph.modules
        for other in graph.find_modules_directly_imported_by(one)
    }
    return {(a, b) for a, b in edges if a != b and not {a, b} & {"saeatlas", "__main__"}}


def reduced(edges: Edges) -> Edges:
    """Leave out each edge that other edges lead along."""
    return {(a, b) for a, b in edges if not _leads(a, b, edges - {(a, b)})}


def _leads(start: str, end: str, edges: Edges) -> bool:
    steps = {b for a, b in edges if a == start}
    return end in steps or any(_leads(step, end, edges) for step in steps)


def draw(edges: Edges) -> str:
    """Draw rooms, arrows of imports and the flow of data."""
    boxes = ROOMS | OUTSIDE
    arrows = [_arrow(boxes, a, b, IMPORTS, 0) for a, b in sorted(edges)]
    arrows += [_arrow(boxes, a, b, WAY, 24 if a < b else -24) for a, b in DATA]
    shapes = [_box(name, *place, outside=name in OUTSIDE) for name, place in boxes.items()]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 560" font-family="sans-serif" '
        'font-size="16" text-anchor="middle">'
        '<rect width="900" height="560" fill="#fff"/>\n'
        + "\n".join([*map(_head, (IMPORTS, WAY)), *arrows, *shapes, *_legend()])
        + "\n</svg>\n"
    )


def _head(colour: str) -> str:
    return (
        f'<marker id="a{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
    )


def _arrow(
    boxes: dict[str, tuple[int, int, int, str]], a: str, b: str, colour: str, by: int
) -> str:
    """Draw an arrow between the edges of two boxes; `by` moves a vertical one sideways."""
    (ax, ay, aw, _), (bx, by_, bw, _) = boxes[a], boxes[b]
    if ay == by_:
        x1, y1 = ax + aw, ay + HEIGHT // 2
        x2, y2 = bx, y1
    else:
        narrow = (ax, aw) if aw < bw else (bx, bw)
        x1 = x2 = narrow[0] + narrow[1] // 2 + by
        if abs(aw - bw) < 100:
            x1, x2 = ax + aw // 2 + by, bx + bw // 2 + by
        y1, y2 = (ay + HEIGHT, by_) if ay < by_ else (ay, by_ + HEIGHT)
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" '
        f'stroke-width="{2 if colour == WAY else 1.3}" marker-end="url(#a{colour[1:]})"/>'
    )


def _box(name: str, x: int, y: int, width: int, what: str, *, outside: bool) -> str:
    middle, dash = x + width // 2, ' stroke-dasharray="4 3"' if outside else ""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="6" fill="#f4f7f9" '
        f'stroke="#46606f"{dash}/>'
        f'<text x="{middle}" y="{y + 22}" font-weight="bold" fill="{INK}">{name}</text>'
        f'<text x="{middle}" y="{y + 42}" font-size="13.5" fill="#555">{what}</text>'
    )


def _legend() -> list[str]:
    lines = ((WAY, "flow of data"), (IMPORTS, "imports (implied ones left out)"))
    return [
        f'<line x1="20" y1="{y}" x2="50" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        f'<text x="58" y="{y + 4}" text-anchor="start" fill="{INK}">{text}</text>'
        for y, (colour, text) in zip((30, 52), lines, strict=True)
    ]


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw(reduced(imports())), encoding="utf-8")


if __name__ == "__main__":
    main()
