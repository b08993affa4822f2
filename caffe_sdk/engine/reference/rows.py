"""Rows picked by number."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.errors import DataError
from caffe_sdk.memory import Array, Tensor


class Rows(EngineBase):
    """Shapes: x (n, k), index (m,), y (m, k). An index is a whole number from 0 to n - 1."""

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


def _numbers(index: Array, count: int) -> Array:
    """The indices as whole numbers; as in Caffe a fraction is cut off."""
    numbers = np.trunc(index)
    wrong = ~((numbers >= 0) & (numbers < count))
    if wrong.any():
        raise DataError("index", f"{index[wrong][0]:g} is not one of {count} rows", f"give 0 to {count - 1}")
    return numbers.astype(np.intp)
