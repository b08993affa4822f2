"""Many values to one: sums, and where the largest are."""

from __future__ import annotations

from caffe_sdk.engine.cuda.base import FLOAT, CudaBase
from caffe_sdk.engine.cuda.softmax import cut
from caffe_sdk.engine.reference.reduction import Reduction
from caffe_sdk.memory import Tensor

KINDS = {"SUM": 0, "ASUM": 1, "SUMSQ": 2}  # as in reduction.cu


class CudaReduction(CudaBase, Reduction):
    """Rows by a block each."""

    def reduce(self, x: Tensor, y: Tensor, kind: str, factor: float) -> None:
        """y = factor * the SUM of each row, of its magnitudes (ASUM), or of its squares (SUMSQ)."""
        rows, values = x.shape
        self.launch_rows("reduce", rows, self.source(x), self.target(y), values, KINDS[kind], factor)

    def reduce_grad(self, x: Tensor, dy: Tensor, dx: Tensor, kind: str, factor: float) -> None:
        """dx = factor dy, times sign x for ASUM, times 2 x for SUMSQ."""
        sources = self.source(x) if kind != "SUM" else 0, self.source(dy)
        self.launch("reduce_grad", dx.count, *sources, self.target(dx), x.shape[1], KINDS[kind], factor)

    def largest(self, x: Tensor, indices: Tensor | None, values: Tensor | None, axis: int) -> None:
        """The largest values along an axis, largest first, and where they are; of equals the last counts as larger."""
        some = indices if indices is not None else values
        if some is None:
            return
        _, size, inner = cut(x.shape, axis)
        wanted = some.shape[axis]
        pointers = self.source(x), self.target(indices), self.target(values)
        self.launch("largest", x.count, *pointers, size, inner, wanted, wanted * inner)

    def largest_of_rows(self, x: Tensor, y: Tensor, with_values: bool) -> None:
        """y (rows, 1 or 2, k, ...) = where the k largest values of each row are, and ``with_values`` these too."""
        wanted, size = y.shape[2], x.shape[1]
        given, indices = self.source(x), self.target(y)
        values = indices + wanted * FLOAT if with_values else 0
        self.launch("largest", x.count, given, indices, values, size, 1, wanted, (1 + with_values) * wanted)
