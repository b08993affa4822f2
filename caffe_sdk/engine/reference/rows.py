"""Rows picked by number: copies of them, their gradients, and tables of rows that are learned."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.errors import DataError
from caffe_sdk.memory import Array, Tensor


class Rows(EngineBase):
    """Shapes: x (n, k), index (m,), y (m, k), weight (n, k), bias (k,). An index is a whole number from 0 to n - 1."""

    @operation(writes="y")
    def take_rows(self, x: Tensor, index: Tensor, y: Tensor) -> None:
        """y[i] = x[index[i]].  DataError for an index that is no row."""
        rows = self.read(x)
        picked = rows[_numbers(self.read(index), len(rows))]
        self.write(y)[...] = picked

    @operation(writes="dx")
    def take_rows_grad(self, dy: Tensor, index: Tensor, dx: Tensor) -> None:
        """dx[j] = the sum of dy[i] where index[i] is j."""
        gradient, rows = self.read(dy), _numbers(self.read(index), dx.shape[0])
        total = np.zeros(dx.shape, gradient.dtype)
        np.add.at(total, rows, gradient)
        self.write(dx)[...] = total

    @operation(writes="y")
    def embed(self, index: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor) -> None:
        """y[i] = weight[index[i]] + bias.  DataError for an index that is no row of the weight."""
        table = self.read(weight)
        values = table[_numbers(self.read(index), len(table))]
        if bias is not None:
            values += self.read(bias)
        self.write(y)[...] = values

    @operation(updates="dweight dbias")
    def embed_grad(self, index: Tensor, dy: Tensor, dweight: Tensor | None, dbias: Tensor | None) -> None:
        """dweight[j] += the sum of dy[i] where index[i] is j;  dbias += the sum of dy."""
        gradient = self.read(dy)
        if dweight is not None:
            np.add.at(self.update(dweight), _numbers(self.read(index), dweight.shape[0]), gradient)
        if dbias is not None:
            self.update(dbias)[...] += gradient.sum(axis=0)


def _numbers(index: Array, count: int) -> Array:
    """The indices as whole numbers; as in Caffe a fraction is cut off."""
    numbers = np.trunc(index)
    wrong = ~((numbers >= 0) & (numbers < count))
    if wrong.any():
        raise DataError("index", f"{index[wrong][0]:g} is not one of {count} rows", f"give 0 to {count - 1}")
    return numbers.astype(np.intp)
