"""From a net's graph to a picture: polygons, curves and words at their places.

As in Figure 1 of Caffe's paper layers are blue boxes and blobs yellow octagons. Layers that compute in place stand
beside their blob.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from caffe_sdk.draw.graph import Edge, NetGraph, Node
from caffe_sdk.draw.layout import Point, Size, layered
from caffe_sdk.errors import ArgumentError

LAYER, IN_PLACE, BLOB, INK = "#8DB4F5", "#BBD3FA", "#F7E26B", "#333333"
NAME_SIZE, WORD_SIZE, LINE = 14, 11, 1.3
PAD_X, PAD_Y = 10, 6
GAP, BESIDE, MARGIN = 24, 22, 16
RANK_GAP = 34
ARROW = (9.0, 4.0)  # length, half its width
SAME = 8.0  # places nearer than this are joined by a straight line
DIRECTIONS = ("LR", "RL", "TB", "BT")


@dataclass
class Polygon:
    """A filled outline. ``title`` is what a viewer may show when it is pointed at."""

    points: list[Point]
    fill: str
    title: str = ""


@dataclass
class Curve:
    """Cubic Bézier segments: the first point, then two control points and an end for each. At the end is an arrow, at
    the beginning too where ``both``.
    """

    points: list[Point]
    both: bool = False

    def arrows(self) -> list[list[Point]]:
        """The corners of each arrow head, its tip first."""
        start, towards, *_, before, end = self.points
        return [_arrow(before, end), *([_arrow(towards, start)] if self.both else [])]


@dataclass
class Text:
    """One line: ``at`` is its centre, or the middle of its left side. A ``halo`` sets it apart from what is below."""

    at: Point
    words: str
    size: int
    centred: bool = True
    halo: bool = False


@dataclass
class Picture:
    """What is drawn, from bottom to top, on white; x to the right, y down."""

    width: float
    height: float
    title: str
    items: list[Polygon | Curve | Text]


@dataclass
class _Box:
    """A node's outline and lines, about its centre."""

    node: Node
    lines: list[tuple[str, int]]
    width: float
    height: float


def picture_of(graph: NetGraph, rankdir: str) -> Picture:
    """The picture of a net that flows to the right (``rankdir`` "LR"), left (RL), down (TB) or up (BT).

    Raises ArgumentError for another direction.
    """
    if rankdir not in DIRECTIONS:
        raise ArgumentError("draw", f"there is no direction {rankdir!r}", f"use one of {', '.join(DIRECTIONS)}")
    flat = rankdir in ("LR", "RL")
    boxes = [_box(node, flat) for node in graph.nodes]
    beside = [[_box(each, flat) for each in node.in_place] for node in graph.nodes]
    sizes = [_room(box, others, flat) for box, others in zip(boxes, beside, strict=True)]
    widest = max((text_width(edge.label, WORD_SIZE) for edge in graph.edges), default=0)
    edges = [(edge.first, edge.second) for edge in graph.edges]
    layout = layered(sizes, edges, GAP, RANK_GAP + (widest if flat else 0))

    def place(point: Point) -> Point:
        across, along = point
        if rankdir in ("RL", "BT"):
            along = layout.along - along
        return (MARGIN + along, MARGIN + across) if flat else (MARGIN + across, MARGIN + along)

    items: list[Polygon | Curve | Text] = []
    for edge, path in zip(graph.edges, layout.paths, strict=True):
        items += _edge(edge, path, place, flat)
    for box, others, at in zip(boxes, beside, layout.places, strict=True):
        items += _node(box, others, place(at), flat)
    across, along = layout.across + 2 * MARGIN, layout.along + 2 * MARGIN
    return Picture(along if flat else across, across if flat else along, graph.name, items)


# Words


@functools.cache
def font(size: int) -> Any:
    """The font that comes with Pillow."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


@functools.lru_cache(4096)
def text_width(words: str, size: int) -> float:
    """The width of words."""
    return float(font(size).getlength(words))


def _box(node: Node, flat: bool) -> _Box:
    """A node's lines: in drawings from left to right narrow ones, in others few."""
    name, *words = node.words
    if node.is_blob or flat:
        lines = [(name, NAME_SIZE), *((word, WORD_SIZE) for word in words)]
    else:
        kind, *rest = words
        lines = [(f"{name} {kind}", NAME_SIZE), *([("   ".join(rest), WORD_SIZE)] if rest else [])]
    width = max(text_width(words, size) for words, size in lines) + 2 * PAD_X
    height = sum(size * LINE for _, size in lines) + 2 * PAD_Y
    if node.is_blob:
        width += height / 2
    return _Box(node, lines, width, height)


# Nodes


def _room(box: _Box, beside: list[_Box], flat: bool) -> Size:
    """What a node and the layers beside it take: below it in drawings from left to right, else to its right."""
    if flat:
        below = sum(BESIDE + other.height for other in beside)
        length = max(each.width for each in (box, *beside))
        return Size(box.height / 2, box.height / 2 + below, length, box.width / 2)
    right = BESIDE + max(other.width for other in beside) if beside else 0.0
    length = max(box.height, _stacked(beside))
    return Size(box.width / 2, box.width / 2 + right, length, box.height / 2)


def _stacked(boxes: list[_Box]) -> float:
    return sum(box.height + PAD_Y for box in boxes) - PAD_Y if boxes else 0.0


def _node(box: _Box, beside: list[_Box], at: Point, flat: bool) -> list[Polygon | Curve | Text]:
    x, y = at
    items = _outline(box, at, BLOB if box.node.is_blob else LAYER)
    if flat:
        end = y + box.height / 2
        for other in beside:
            items.append(_line((x, end), (x, end + BESIDE), both=True))
            items += _outline(other, (x, end + BESIDE + other.height / 2), IN_PLACE)
            end += BESIDE + other.height
        return items
    left = x + box.width / 2 + BESIDE
    top = y - _stacked(beside) / 2
    for i, other in enumerate(beside):
        middle = top + other.height / 2
        start = y + (i - (len(beside) - 1) / 2) * box.height / 4
        items.append(_line((x + box.width / 2, start), (left, middle), both=True))
        items += _outline(other, (left + other.width / 2, middle), IN_PLACE)
        top += other.height + PAD_Y
    return items


def _outline(box: _Box, at: Point, fill: str) -> list[Polygon | Curve | Text]:
    (x, y), w, h = at, box.width / 2, box.height / 2
    if box.node.is_blob:
        cut = h * 0.6
        corners = [(-w + cut, -h), (w - cut, -h), (w, -h + cut), (w, h - cut), (w - cut, h), (-w + cut, h)]
        corners += [(-w, h - cut), (-w, -h + cut)]
    else:
        corners = [(-w, -h), (w, -h), (w, h), (-w, h)]
    title = "\n".join(filter(None, [" ".join(box.node.words), box.node.details]))
    items: list[Polygon | Curve | Text] = [Polygon([(x + dx, y + dy) for dx, dy in corners], fill, title)]
    line = y - sum(size * LINE for _, size in box.lines) / 2
    for words, size in box.lines:
        items.append(Text((x, line + size * LINE / 2), words, size))
        line += size * LINE
    return items


# Edges


def _edge(edge: Edge, path: list[Point], place: Callable[[Point], Point], flat: bool) -> list[Polygon | Curve | Text]:
    path = _straightened(path)
    items: list[Polygon | Curve | Text] = [Curve([place(point) for point in _curve(path)], edge.both)]
    if edge.label:
        (first, start), (second, end) = path[1:3]
        x, y = place(((first + second) / 2, (start + end) / 2))
        beside = abs(first - second) < SAME  # else upon the line, as it runs across
        if flat and beside:
            y -= WORD_SIZE * LINE / 2
        at = (x + 5, y) if beside and not flat else (x, y)
        items.append(Text(at, edge.label, WORD_SIZE, centred=flat or not beside, halo=True))
    return items


def _straightened(path: list[Point]) -> list[Point]:
    """A path whose points that are nearly one behind the other across are exactly so."""
    if max(x for x, _ in path) - min(x for x, _ in path) > SAME:
        return path
    middle = (path[0][0] + path[-1][0]) / 2
    return [(middle, along) for _, along in path]


def _curve(path: list[Point]) -> list[Point]:
    """A smooth curve through points, which leaves and reaches each along the edge's direction."""
    points = [path[0]]
    for (across, along), (across_next, along_next) in pairwise(path):
        reach = (along_next - along) / 2
        if abs(reach) > 1e-6:
            points += [(across, along + reach), (across_next, along_next - reach), (across_next, along_next)]
    return points


def _line(start: Point, end: Point, both: bool) -> Curve:
    (x0, y0), (x1, y1) = start, end
    thirds = [(x0 + (x1 - x0) * part, y0 + (y1 - y0) * part) for part in (1 / 3, 2 / 3)]
    return Curve([start, *thirds, end], both)


def _arrow(before: Point, tip: Point) -> list[Point]:
    (x0, y0), (x, y) = before, tip
    distance = math.hypot(x - x0, y - y0) or 1.0
    dx, dy = (x - x0) / distance, (y - y0) / distance
    length, half = ARROW
    return [tip, *((x - length * dx + side * dy, y - length * dy - side * dx) for side in (half, -half))]
