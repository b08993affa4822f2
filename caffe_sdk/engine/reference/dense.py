"""Inner product: every output sees every input."""

from __future__ import annotations

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Tensor


class Dense(EngineBase):
    """Shapes: x (m, k), weight (n, k), or (k, n) if ``transpose``, bias (n,), y (m, n)."""

    @operation(writes="y")
    def inner_product(self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, transpose: bool) -> None:
        """y = x weight^T + bias."""
        matrix = self.read(weight)
        values = self.read(x) @ (matrix if transpose else matrix.T)
        if bias is not None:
            values += self.read(bias)
        self.write(y)[...] = values

    @operation(writes="dx")
    def inner_product_grad_data(self, dy: Tensor, weight: Tensor, dx: Tensor, transpose: bool) -> None:
        """dx = dy weight."""
        matrix = self.read(weight)
        values = self.read(dy) @ (matrix.T if transpose else matrix)
        self.write(dx)[...] = values

    @operation(updates="dweight dbias")
    def inner_product_grad_weight(
        self, x: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None, transpose: bool
    ) -> None:
        """dweight += dy^T x;  dbias += sum over m of dy."""
        values, gradient = self.read(x), self.read(dy)
        if dweight is not None:
            self.update(dweight)[...] += values.T @ gradient if transpose else gradient.T @ values
        if dbias is not None:
            self.update(dbias)[...] += gradient.sum(axis=0)
