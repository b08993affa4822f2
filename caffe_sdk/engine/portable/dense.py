"""Inner products: weights are read once, and gradients of weights written once."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable.conditions import apart, usable
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.reference.dense import Dense
from caffe_sdk.memory import Tensor

FEW = 16
"""Rows of x up to which a loop is faster than BLAS, which copies the weights to where it likes them."""
PIECE = 1 << 19
"""Numbers of a weight's gradient that are computed at once."""


class FastDense(Dense):
    """For few rows of x the weights are what takes time."""

    @quiet
    def inner_product(self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, transpose: bool) -> None:
        """y = x weight^T + bias."""
        if not (usable(x, weight, y) and apart(y, x)):
            super().inner_product(x, weight, bias, y, transpose)
            return
        values, matrix, result = self.read(x), self.read(weight), self.write(y)
        if transpose:
            np.matmul(values, matrix, out=result)
        elif len(values) <= FEW:
            from caffe_sdk.engine.portable.loops.dense import products_of_rows

            def work(i: int, j: int) -> None:
                products_of_rows(values, matrix[i:j], result[:, i:j])

            shared(work, len(matrix), matrix.size)
        else:
            result.T[...] = matrix @ values.T
        if bias is not None:
            result += self.read(bias)

    @quiet
    def inner_product_grad_data(self, dy: Tensor, weight: Tensor, dx: Tensor, transpose: bool) -> None:
        """dx = dy weight."""
        if not (usable(dy, weight, dx) and apart(dx, dy)):
            super().inner_product_grad_data(dy, weight, dx, transpose)
            return
        matrix = self.read(weight)
        np.matmul(self.read(dy), matrix.T if transpose else matrix, out=self.write(dx))

    @quiet
    def inner_product_grad_weight(
        self, x: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None, transpose: bool
    ) -> None:
        """dweight += dy^T x;  dbias += sum over m of dy."""
        if dweight is None or not usable(x, dy, dweight):
            super().inner_product_grad_weight(x, dy, dweight, dbias, transpose)
            return
        values, gradient = self.read(x), self.read(dy)
        first, second = (values.T, gradient) if transpose else (gradient.T, values)
        if dweight.memory.is_zero and dweight.count == dweight.memory.count:
            np.matmul(first, second, out=self.write(dweight))
        else:
            total = self.update(dweight)
            rows = max(1, PIECE // total.shape[1])
            for start in range(0, len(total), rows):
                total[start : start + rows] += first[start : start + rows] @ second
        if dbias is not None:
            self.update(dbias)[...] += gradient.sum(axis=0)
