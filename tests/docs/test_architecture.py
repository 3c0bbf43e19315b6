"""The picture of the architecture shows the imports between rooms: all of them, and no others."""

import re

from docs import architecture_picture


def test_the_picture_is_drawn_from_the_imports() -> None:
    edges = architecture_picture.reduced(architecture_picture.imports())
    drawn = architecture_picture.PICTURE.read_text("utf-8")
    assert drawn == architecture_picture.draw(edges), "run python docs/architecture_picture.py"


def test_every_room_is_in_the_picture_and_on_the_page() -> None:
    rooms = {room for edge in architecture_picture.imports() for room in edge}
    assert rooms == architecture_picture.ROOMS.keys()
    page = architecture_picture.PICTURE.with_name("architecture.md").read_text("utf-8")
    for name in rooms - {architecture_picture.BASE}:
        assert re.search(rf"`{name}(/|\.py)?`", page), name


def test_edges_that_follow_from_others_are_left_out() -> None:
    edges = {("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}
    assert architecture_picture.reduced(edges) == {("a", "b"), ("b", "c"), ("a", "d")}
