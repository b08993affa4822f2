"""Convolutions of single images by a loop of our own, which waits less for filters than oneDNN's.

Windows are of one place, or of several where an image is so narrow that Winograd's filtering has few tiles. Numbers
stay in oneDNN's blocks of 16 channels, so nothing is reordered between these convolutions and its own. What the loops
of `window_kernels` do with a `window_job` is said there. A residual may be where y is to be: the two share their room
if nobody wants the residual afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from caffe_sdk.engine.cpu import batchnorm
from caffe_sdk.engine.cpu.descriptors import plain
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import Operand
from caffe_sdk.engine.cpu.window_job import ADDRESSES, PLACES, WINDOW
from caffe_sdk.engine.cpu.winograd import filters, images
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import Array, Shape
from caffe_sdk.threads import num_threads

BLOCK = 16  # channels
PIXEL = 4 * BLOCK  # bytes
ROWS, WIDTH = 14, 2  # of the piece of a product of matrices that is summed in registers
PIECE = 1 << 19
"""Bytes of x that are multiplied by all filters before others are: they stay in the cache."""
DEPTH = 16
"""Blocks of x's channels in one go: filters of so many stay in the first cache, and short sums have small errors."""
STEPPED = 28 * 28
"""Places of y up to which a window that moves by more than one is quicker in a copy of what it sees."""


@dataclass(frozen=True)
class Problem:
    """A convolution: sizes of x (n, c, h, w) and y (n, k, h, w), and how the window goes over x."""

    x: Shape
    y: Shape
    kernel: Shape
    stride: Shape
    pad: Shape

    @property
    def weight(self) -> Shape:
        """The filters' sizes."""
        return (self.y[1], self.x[1], *self.kernel)

    @property
    def places(self) -> int:
        """Of an image of y."""
        return self.y[2] * self.y[3]


def problem_of(work: Work) -> Problem:
    """The convolution a work computes; Unsupported if it has groups, or channels that are not whole blocks.

    Nor may windows of several places have holes or steps, or those of one place padding.
    """
    g: ConvolutionGeometry = work["geometry"]
    alone = g.kernel == (1, 1)
    if work.name != "convolution" or len(g.kernel) != 2 or g.group != 1 or (alone and any(g.pad)):
        raise Unsupported("a loop", f"{work.name} {g}")
    if not alone and (g.stride, g.dilation) != ((1, 1), (1, 1)):
        raise Unsupported("a loop", f"{g}")
    x, y = ((math.prod(shape[: g.axis]), *shape[g.axis :]) for shape in (work["x"].shape, work["y"].shape))
    if x[1] % BLOCK or y[1] % BLOCK or any(p >= k for p, k in zip(g.pad, g.kernel, strict=True)):
        raise Unsupported("a loop", f"{x[1]} and {y[1]} channels, {g.pad} missing")
    return Problem(x, y, g.kernel, g.stride, g.pad)


def pays(p: Problem) -> bool:
    """Whether it is quicker than oneDNN's, by a rule: for single images. Measured from 7 to 56 places a side.

    Few channels of x leave little to do between storing numbers, and a block of y's that is left over is computed half
    as quickly as a pair. Steps cost a pass over x, which pays up to 28 places a side.
    """
    blocks = p.y[1] // BLOCK
    if p.x[0] > 1 or p.x[1] < 4 * BLOCK or (blocks % WIDTH and blocks < 7):
        return False
    if p.kernel == (1, 1):
        return p.stride == (1, 1) or p.places <= STEPPED
    return p.kernel == (3, 3) and p.y[3] == ROWS // 2


def convolution(plan: Plan, work: Work) -> None:
    """y = bias + weight * x, and what was fused of normalization, a residual to be added, and a ReLU."""
    x, weight, bias, y = (work[name] for name in ("x", "weight", "bias", "y"))
    norm, residual, relu = (work.arguments.get(name) for name in ("norm", "residual", "relu"))
    p = problem_of(work)
    if y.memory is x.memory:
        raise Unsupported("a loop", "a convolution in place")
    operands: dict[str, Operand | None] = {
        "x": plan.read(x, images(p.x)),
        "w": plan.read(weight, filters(p.weight)),
        "residual": plan.read(residual, images(p.y)) if residual is not None else None,
    }
    if norm is None:
        by_channel = plain(p.y[1:2])
        ones, zeros = (batchnorm.constant(p.y[1], value) for value in (1.0, 0.0))
        operands["scale"] = plan.read(ones, by_channel)
        operands["shift"] = plan.read(bias if bias is not None else zeros, by_channel)
    else:
        operands["scale"], operands["shift"] = batchnorm.folded(plan, norm, bias, p.y[1])
    alone = p.kernel == (1, 1)
    height, width = (p.y[2], p.x[3] + 2 * p.pad[1]) if not alone else p.y[2:]
    if p.stride != (1, 1) or p.pad[1]:
        operands["x"] = _taken(plan, p, operands["x"], (p.x[2] if not alone else height, width))
    operands["y"] = plan.write(y, images(p.y))
    if residual is not None and work.arguments.get("over"):
        plan.replace(residual, y)
    slope = 1.0 if relu is None else relu

    def made(*arrays: Array | None) -> Callable[[], None]:
        where = {name: address(array) for name, array in zip(ADDRESSES, arrays, strict=True) if array is not None}
        return Job("convolve_windows", WINDOW, {**_cut(p), "slope": slope, **where}).run

    plan.step_made_by("convolution_forward loop", made, *(operands[name] for name in ADDRESSES))


def _taken(plan: Plan, p: Problem, x: Operand | None, sizes: Shape) -> Operand:
    """The places of x that count, next to each other, with zeros at both ends of rows."""
    n, channels, height, width = p.x
    room = plan.room(images((n, channels, *sizes)))
    values = {
        "items": n * channels // BLOCK,
        "x_height": height,
        "x_width": width,
        "y_height": sizes[0],
        "y_width": sizes[1],
        "left": -p.pad[1],
        "down": p.stride[0],
        "across": p.stride[1],
    }

    def made(x: Array, y: Array) -> Callable[[], None]:
        return Job("take_places", PLACES, {**values, "x": address(x), "y": address(y)}).run

    plan.step_made_by("loop places", made, x, room)
    return room


def _cut(p: Problem) -> dict[str, int]:
    """What a job knows of sizes, and into what it is cut."""
    channels = p.x[1]
    if p.kernel == (1, 1):
        height, width, x_places, row = 1, p.places, p.places, p.places
    else:
        height, width, row = *p.y[2:], p.x[3] + 2 * p.pad[1]
        x_places = p.x[2] * row
    return {
        **_items(p),
        "height": height,
        "width": width,
        "blocks_in": channels // BLOCK,
        "blocks_out": p.y[1] // BLOCK,
        "x_image": channels * x_places * 4,
        "x_block": x_places * PIXEL,
        "x_row": row * PIXEL,
        "x_height": x_places // row,
        "down": p.kernel[0],
        "across": p.kernel[1],
        "pad": p.pad[0],
        "depth": DEPTH if p.kernel == (1, 1) else 1,
    }


def _items(p: Problem) -> dict[str, int]:
    """Pieces of x that stay in the cache, times parts of y's channels, in the order in which threads share them.

    Threads that divide places read all filters, but of x what they have made themselves: better where images have more
    places than y has channels. Those that divide channels read all of x.
    """
    n, threads, alone = p.x[0], num_threads(), p.kernel == (1, 1)
    places, strips = p.places if alone else p.y[3], -(-p.y[1] // (WIDTH * BLOCK))
    pieces, rows = -(-p.places * p.x[1] * 4 // PIECE) if alone else 1, -(-places // ROWS)
    by_places = alone and n == 1 and p.places >= p.y[1] and threads > 1
    if by_places:
        rows, pieces = -(-rows // threads), -(-pieces // threads)  # of a thread
        pieces = min(range(pieces, 2 * pieces + 2), key=lambda count: (-rows % count, -count))
    of_piece = min(places, -(-rows // pieces) * ROWS)
    pieces = -(-places // of_piece)
    parts = 1 if by_places or threads == 1 else min(strips, -(-4 * threads // (n * pieces)))
    of_part = -(-strips // parts)
    parts = -(-strips // of_part)
    return {
        "items": n * pieces * parts,
        "threads": threads,
        "pieces": pieces,
        "places": of_piece,
        "parts": parts,
        "blocks_of_part": WIDTH * of_part,
    }
