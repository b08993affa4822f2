"""Values that only go elsewhere: joined, cut, repeated."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.layout import lying
from caffe_sdk.engine.cuda.structures import Sizes, sizes
from caffe_sdk.engine.reference.movement import Movement
from caffe_sdk.memory import Shape, Tensor


class CudaMovement(CudaBase, Movement):
    """A thread for each value of the result."""

    def concatenate(self, xs: Sequence[Tensor], y: Tensor, axis: int) -> None:
        """y = the xs, one after the other along an axis."""
        _, size, inner = self.around(y.shape, axis)
        sources, target, start = [self.source(x) for x in xs], self.target(y), 0
        for x, source in zip(xs, sources, strict=True):
            self.launch("join", x.count, source, target, x.shape[axis], size, start, inner)
            start += x.shape[axis]

    def crop(self, x: Tensor, y: Tensor, offsets: Shape) -> None:
        """y = the part of x, as large as y, that begins at ``offsets``, one for each axis."""
        self.launch("crop", y.count, self.source(x), self.target(y), *self._part(x, y, offsets))

    def crop_grad(self, dy: Tensor, dx: Tensor, offsets: Shape) -> None:
        """dx = dy at its part, 0 around it."""
        self.launch("crop_grad", dx.count, self.source(dy), self.target(dx), *self._part(dx, dy, offsets))

    def tile(self, x: Tensor, y: Tensor, axis: int, tiles: int) -> None:
        """y = x, repeated along an axis."""
        size = math.prod(self.around(x.shape, axis)[1:])
        self.launch("tile", y.count, self.source(x), self.target(y), size, tiles)

    def tile_grad(self, dy: Tensor, dx: Tensor, axis: int, tiles: int) -> None:
        """dx = the sum of the repeats' gradients."""
        size = math.prod(self.around(dx.shape, axis)[1:])
        self.launch("tile_grad", dx.count, self.source(dy), self.target(dx), size, tiles)

    def _part(self, whole: Tensor, part: Tensor, offsets: Shape) -> tuple[int, Sizes, Sizes, Sizes]:
        """A part and where it begins, along the axes in the order in which they lie now."""
        shapes = whole.shape, part.shape, tuple(offsets)
        whole_sizes, part_sizes, begins = (sizes(lying(shape, self.now.last)) for shape in shapes)
        return len(whole.shape), whole_sizes, part_sizes, begins
