"""Rows picked by number."""

from __future__ import annotations

import math

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.checks import Wrong
from caffe_sdk.engine.reference.rows import Rows
from caffe_sdk.memory import Tensor


class CudaRows(CudaBase, Rows):
    """A thread for each value picked, and for the gradient a block for each row: always the same sums."""

    def take_rows(self, x: Tensor, index: Tensor, y: Tensor) -> None:
        """y[i] = x[index[i]]."""
        self._take(x, index, None, y)

    def take_rows_grad(self, dy: Tensor, index: Tensor, dx: Tensor) -> None:
        """dx[j] = the sum of dy[i] where index[i] is j."""
        self._put(dy, index, self.target(dx), dx, 0)

    def embed(self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor) -> None:
        """y (*indices, n) = weight[x] + bias."""
        self._take(weight, x, bias, y)

    def embed_grad(self, x: Tensor, dy: Tensor, dweight: Tensor) -> None:
        """dweight[x] += dy."""
        self._put(dy, x, self.both(dweight), dweight, 1)

    def _take(self, x: Tensor, index: Tensor, bias: Tensor | None, y: Tensor) -> None:
        rows = x.shape[0]
        sources = map(self.source, (x, index, bias))
        rest = math.prod(x.shape[1:]), rows, *self.check(Wrong.INDEX, rows)
        self.launch("take_rows", y.count, *sources, self.target(y), *rest)

    def _put(self, dy: Tensor, index: Tensor, to: int, like: Tensor, more: int) -> None:
        rows, sources = like.shape[0], (self.source(dy), self.source(index))
        rest = math.prod(like.shape[1:]), index.count, more, *self.check(Wrong.INDEX, rows)
        self.launch_rows("take_rows_grad", rows, *sources, to, *rest)
