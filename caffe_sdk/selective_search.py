"""Selective search: windows of an image that may hold objects, for R-CNN.

An image is cut into small regions of even colour (Felzenszwalb and Huttenlocher, 2004), and then the two neighbours
that are most alike become one, again and again; the bounding boxes of all regions on the way are the windows (Uijlings
et al., 2013, in its fast form: two colour spaces, two sizes of the first regions, two notions of likeness).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffe_sdk import io
from caffe_sdk.errors import ArgumentError

Array = NDArray[Any]
Box = tuple[int, int, int, int]

WIDTH = 500
SMALLEST = 20  # side of a window
SCALES = (50, 100)  # of the first regions: the larger, the larger they are
BLUR = 0.8
COLOR_BINS, TEXTURE_BINS, DIRECTIONS = 25, 10, 8
LIKENESSES = ((1, 1, 1, 1), (0, 1, 1, 1))
"""What counts: colour, texture, smallness, and how well two regions fill their common box."""


def selective_search(image: ArrayLike, search_width: int = WIDTH) -> Array:
    """Windows (ymin, xmin, ymax, xmax) of an image (height, width, 3), RGB from 0 to 1; the largest first.

    The image is searched at ``search_width`` pixels across (of tall ones, at twice as many from top to bottom), which
    takes some seconds at 500, and windows of less than 20 pixels there are left out. Raises ArgumentError for another
    shape.
    """
    pixels = np.asarray(image, np.float32)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ArgumentError("selective_search", f"an image of shape {pixels.shape}", "give (height, width, 3), RGB")
    height, width = pixels.shape[:2]
    zoom = min(search_width / width, 2 * search_width / height)
    size = max(1, round(height * zoom)), max(1, round(width * zoom))
    rgb = io.resize_image(pixels, size) if size != (height, width) else pixels
    boxes: set[Box] = set()
    for convert in (to_hsv, to_lab):
        space = convert(np.clip(rgb, 0, 1))
        tree = _spanning_tree(space)
        for scale in SCALES:
            labels = _segment(tree, size[0] * size[1], scale).reshape(size)
            regions = _regions(space, labels)
            for likeness in LIKENESSES:
                boxes.update(_group(regions, labels, likeness))
    found = np.array(sorted(boxes), np.int64).reshape(-1, 4)
    sides = found[:, 2:] - found[:, :2]
    found = found[(sides >= SMALLEST).all(axis=1) | (sides == size).any(axis=1)]
    found = found[np.argsort(-np.prod(found[:, 2:] - found[:, :2], axis=1), kind="stable")]
    edges = np.array([height, width, height, width])
    scaled: Array = np.round(found * edges / np.tile(size, 2)).astype(np.int64)
    windows: Array = scaled[(scaled[:, :2] < scaled[:, 2:]).all(axis=1)]
    return windows


# -- colours ---------------------------------------------------------------------------------------------------------


def to_hsv(rgb: Array) -> Array:
    """Hue, saturation and value, each from 0 to 1, of colours (..., 3) from 0 to 1."""
    value, least = rgb.max(axis=-1), rgb.min(axis=-1)
    span = value - least
    safe = np.where(span > 0, span, 1)
    red, green, blue = np.moveaxis(rgb, -1, 0)
    hue = np.select(
        [value == red, value == green], [(green - blue) / safe % 6, (blue - red) / safe + 2], (red - green) / safe + 4
    )
    return np.stack([np.where(span > 0, hue / 6, 0), span / np.where(value > 0, value, 1), value], axis=-1)


def to_lab(rgb: Array) -> Array:
    """CIE L*a*b* of sRGB colours (..., 3) from 0 to 1, in white light D65, scaled to about 0 to 1."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = linear @ to_xyz.T / [0.95047, 1.0, 1.08883]
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    scaled: Array = (lab + np.array([0, 128, 128])) / np.array([100, 255, 255])
    return scaled


# -- first regions ---------------------------------------------------------------------------------------------------


@dataclass
class _Tree:
    """The edges of a minimum spanning tree of an image's pixels, the shortest first."""

    first: Array
    second: Array
    length: Array


def _spanning_tree(space: Array) -> _Tree:
    """Pixels joined to their eight neighbours, with distances in colour from 0 to 255, after a little blur."""
    from scipy.ndimage import gaussian_filter
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    smooth = gaussian_filter(space * 255.0, (BLUR, BLUR, 0))
    height, width = space.shape[:2]
    number = np.arange(height * width).reshape(height, width)
    ends: list[tuple[Array, Array, Array]] = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        rows, columns = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        to_rows, to_columns = slice(down, height), slice(max(0, right), width - max(0, -right))
        distance = np.sqrt(((smooth[rows, columns] - smooth[to_rows, to_columns]) ** 2).sum(axis=2))
        ends.append((number[rows, columns].ravel(), number[to_rows, to_columns].ravel(), distance.ravel()))
    first, second, length = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    # an edge of length 0 would be none
    graph = coo_array((length + 1e-6, (first, second)), shape=(number.size, number.size))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    order = np.argsort(tree.data, kind="stable")
    return _Tree(tree.coords[0][order], tree.coords[1][order], tree.data[order])


def _segment(tree: _Tree, count: int, scale: float) -> Array:
    """The region of each pixel: two become one along an edge that is hardly longer than those inside of them.

    Hardly: by ``scale`` divided by their size, so that small ones join easily. What is smaller than ``scale`` pixels
    joins in the end.
    """
    parent, size, inner = list(range(count)), [1] * count, [0.0] * count

    def root(pixel: int) -> int:
        while parent[pixel] != pixel:
            parent[pixel] = pixel = parent[parent[pixel]]
        return pixel

    edges = list(zip(tree.first.tolist(), tree.second.tolist(), tree.length.tolist(), strict=True))
    for small in (False, True):
        for first, second, length in edges:
            one, other = root(first), root(second)
            if one == other:
                continue
            if small:
                joins = size[one] < scale or size[other] < scale
            else:
                joins = length <= min(inner[one] + scale / size[one], inner[other] + scale / size[other])
            if joins:
                parent[other] = one
                size[one] += size[other]
                inner[one] = max(length, inner[one], inner[other])
    roots = np.array([root(pixel) for pixel in range(count)])
    return np.unique(roots, return_inverse=True)[1]


# -- grouping --------------------------------------------------------------------------------------------------------


@dataclass
class _Regions:
    """What likeness is judged by: sizes in pixels, boxes, and histograms that add up to one; a row for each region."""

    size: Array
    box: Array
    color: Array
    texture: Array
    pixels: int


def _regions(space: Array, labels: Array) -> _Regions:
    """The first regions, with room for all that they can become."""
    from scipy.ndimage import find_objects, gaussian_filter

    count = int(labels.max()) + 1
    total = 2 * count - 1
    flat = labels.ravel()
    regions = _Regions(
        np.zeros(total),
        np.zeros((total, 4), np.int64),
        np.zeros((total, 3 * COLOR_BINS), np.float32),
        np.zeros((total, 3 * DIRECTIONS * TEXTURE_BINS), np.float32),
        flat.size,
    )
    regions.size[:count] = np.bincount(flat, minlength=count)
    for i, (rows, columns) in enumerate(find_objects(labels + 1)):
        regions.box[i] = rows.start, columns.start, rows.stop, columns.stop
    for channel in range(3):
        values = space[:, :, channel]
        regions.color[:count, channel * COLOR_BINS : (channel + 1) * COLOR_BINS] = _histograms(values, flat, COLOR_BINS)
        down, right = gaussian_filter(values, 1, order=(1, 0)), gaussian_filter(values, 1, order=(0, 1))
        for i, angle in enumerate(np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS):
            slope = np.maximum(np.cos(angle) * right + np.sin(angle) * down, 0)
            at = (channel * DIRECTIONS + i) * TEXTURE_BINS
            unit = slope / (slope.max() or 1)
            regions.texture[:count, at : at + TEXTURE_BINS] = _histograms(unit, flat, TEXTURE_BINS)
    for histograms in (regions.color, regions.texture):
        histograms[:count] /= histograms[:count].sum(axis=1, keepdims=True)
    return regions


def _histograms(values: Array, labels: Array, bins: int) -> Array:
    """For each region how many of its values, from 0 to 1, lie in each bin."""
    places = np.clip((values.ravel() * bins).astype(np.int64), 0, bins - 1)
    count = int(labels.max()) + 1
    return np.bincount(labels * bins + places, minlength=count * bins).reshape(count, bins)


def _group(regions: _Regions, labels: Array, likeness: Sequence[int]) -> list[Box]:
    """The boxes of the first regions and of all that come from joining the two that are most alike.

    It writes over the rows of ``regions`` after those of the first.
    """
    count = int(labels.max()) + 1
    neighbours: dict[int, set[int]] = {i: set() for i in range(count)}
    for here, there in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        for pair in np.unique(here * count + there).tolist():
            a, b = divmod(pair, count)
            if a != b:
                neighbours[a].add(b)
                neighbours[b].add(a)
    pairs: list[tuple[float, int, int]] = []
    for i in range(count):
        _judge(regions, i, [j for j in neighbours[i] if j < i], likeness, pairs)
    last = count
    while pairs:
        _, one, other = heapq.heappop(pairs)
        if one not in neighbours or other not in neighbours:
            continue  # it has become part of another
        around = (neighbours.pop(one) | neighbours.pop(other)) - {one, other}
        for j in around:
            neighbours[j] -= {one, other}
            neighbours[j].add(last)
        neighbours[last] = around
        _join(regions, one, other, last)
        _judge(regions, last, sorted(around), likeness, pairs)
        last += 1
    return [(top, left, bottom, right) for top, left, bottom, right in regions.box[:last].tolist()]


def _join(regions: _Regions, one: int, other: int, into: int) -> None:
    a, b = regions.size[one], regions.size[other]
    regions.size[into] = a + b
    regions.box[into, :2] = np.minimum(regions.box[one, :2], regions.box[other, :2])
    regions.box[into, 2:] = np.maximum(regions.box[one, 2:], regions.box[other, 2:])
    for histograms in (regions.color, regions.texture):
        histograms[into] = (a * histograms[one] + b * histograms[other]) / (a + b)


def _judge(
    regions: _Regions, one: int, others: list[int], likeness: Sequence[int], pairs: list[tuple[float, int, int]]
) -> None:
    """Add the pairs of a region and others to a heap, the most alike first."""
    if not others:
        return
    color, texture, smallness, fill = likeness
    both = regions.size[one] + regions.size[others]
    low = np.minimum(regions.box[one, :2], regions.box[others, :2])
    high = np.maximum(regions.box[one, 2:], regions.box[others, 2:])
    alike = smallness * (1 - both / regions.pixels)
    alike += fill * (1 - (np.prod(high - low, axis=1) - both) / regions.pixels)
    if color:
        alike += color * np.minimum(regions.color[one], regions.color[others]).sum(axis=1)
    if texture:
        alike += texture * np.minimum(regions.texture[one], regions.texture[others]).sum(axis=1)
    for value, other in zip(alike.tolist(), others, strict=True):
        heapq.heappush(pairs, (-value, one, other))
