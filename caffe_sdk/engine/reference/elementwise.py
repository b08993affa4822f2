"""Copies, constants and sums."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Tensor


class Elementwise(EngineBase):
    """Tensors of equal count."""

    @operation(writes="y")
    def copy(self, x: Tensor, y: Tensor) -> None:
        """y = x, whatever their types and shapes."""
        values = self.read(x)
        self.write(y)[...] = values.reshape(y.shape)

    @operation(writes="y")
    def fill(self, y: Tensor, value: float) -> None:
        """y = value."""
        self.write(y)[...] = value

    @operation(writes="y")
    def add_all(self, xs: Sequence[Tensor], y: Tensor) -> None:
        """y = the sum of xs."""
        first, *others = (self.read(x) for x in xs)
        total = first.copy()
        for values in others:
            total += values
        self.write(y)[...] = total
