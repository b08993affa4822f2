"""Channels last: the order in which tensor cores like values of (images, channels, *spatial) to lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

from caffe_sdk.engine.cuda.device import THREADS, Device
from caffe_sdk.engine.cuda.formats import Format
from caffe_sdk.engine.cuda.sources import Arguments, kernels
from caffe_sdk.memory import Shape

WARP = 32
TILE = 1024
"""Values of a tile at most, as in conversion.cu."""


@dataclass(frozen=True)
class Last:
    """Numbers of (images, channels, places) that lie as (images, places, channels)."""

    channels: int
    places: int

    def divides(self, count: int) -> bool:
        """Whether so many numbers are whole images."""
        return count % (self.channels * self.places) == 0


def last(shape: Shape) -> Last | None:
    """How values of a shape lie channels last; None where they lie so anyway."""
    if len(shape) < 3 or 0 in shape:
        return None
    places = math.prod(shape[2:])
    return None if 1 in (shape[1], places) else Last(shape[1], places)


def lying(shape: Shape, channels_last: bool) -> Shape:
    """The sizes of axes in the order in which values lie."""
    return (shape[0], *shape[2:], shape[1]) if channels_last and len(shape) > 2 else shape


def moved(
    device: Device,
    name: str,
    real: Format,
    count: int,
    addresses: tuple[int, int],
    orders: tuple[Last | None, Last | None],
    *factor: float,
) -> None:
    """Have a kernel of conversion.cu bring so many numbers from one address to another, and from one order to another,
    of which at most one is channels last.
    """
    if not count:
        return
    before, after = orders
    order = after or before
    if order is None or before == after:
        kernel, n, blocks = kernels(real)[name], count, -(-count // THREADS)
        rest: tuple[int, ...] = ()
    else:
        kernel = kernels(real)[f"{name}_across"]
        rows, columns = (order.channels, order.places) if after else (order.places, order.channels)
        high, wide = tile(rows, columns)
        n = blocks = count // (rows * columns) * -(-rows // high) * -(-columns // wide)
        rest = rows, columns, high, wide
    device.launch(kernel, min(blocks, device.blocks), THREADS, Arguments(kernel, (n, *addresses, *factor, *rest)))


def tile(rows: int, columns: int) -> tuple[int, int]:
    """How high and wide the tiles are in which a matrix is transposed: neighbours are read and written together."""
    high = min(rows, max(WARP, TILE // columns))
    return high, min(columns, TILE // high)
