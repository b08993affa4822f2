"""Layers that keep one number, or a few, of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Layer, layer
from caffe_sdk.memory import Shape
from caffe_sdk.schema.messages import ReductionParameter


@layer("Reduction")
class Reduction(Layer):
    """y = coeff * the sum, the sum of magnitudes or of squares, or the mean over ``axis`` and all behind it.

    (m..., k...) -> (m...)
    """

    def setup(self, config: Any) -> None:
        self.param = config.reduction_param
        name = ReductionParameter.ReductionOp.Name(self.param.operation)
        self.mean = name == "MEAN"
        self.kind = "SUM" if self.mean else name

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0][: self.axis(self.param.axis, len(bottoms[0]))]]

    def _matrix(self, shape: Shape) -> tuple[int, int]:
        axis = self.axis(self.param.axis, len(shape))
        return math.prod(shape[:axis]), math.prod(shape[axis:])

    def _factor(self, values: int) -> float:
        return self.param.coeff / max(1, values) if self.mean else float(self.param.coeff)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        rows, values = self._matrix(bottom[0].shape)
        x, y = bottom[0].data_tensor.reshaped(rows, values), top[0].data_tensor.reshaped(rows)
        engine.reduce(x, y, self.kind, self._factor(values))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            rows, values = self._matrix(bottom[0].shape)
            x, dx = bottom[0].data_tensor.reshaped(rows, values), bottom[0].diff_tensor.reshaped(rows, values)
            engine.reduce_grad(x, top[0].diff_tensor.reshaped(rows), dx, self.kind, self._factor(values))


@layer("ArgMax")
class ArgMax(Layer):
    """Where the ``top_k`` largest values are, of each item (n, ...) -> (n, 1, top_k), or along ``axis``.

    With ``out_max_val`` the values themselves: along an axis instead, else beside the places, (n, 2, top_k).
    """

    def setup(self, config: Any) -> None:
        self.param = config.argmax_param
        self.along_axis = self.param.HasField("axis")
        self.check(self.param.top_k > 0, "top_k: 0", "give top_k: 1 or more")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, top_k = bottoms[0], self.param.top_k
        axis = self.axis(self.param.axis, len(shape)) if self.along_axis else 1
        values = shape[axis] if self.along_axis else math.prod(shape[1:])
        self.check_shape(top_k <= values, f"top_k: {top_k} of {values} values", f"use at most {values}")
        if self.along_axis:
            return [(*shape[:axis], top_k, *shape[axis + 1 :])]
        self.check_shape(bool(shape), "input is a scalar", "give it a batch axis")
        return [(shape[0], 2 if self.param.out_max_val else 1, top_k, *(1,) * (len(shape) - 3))]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y = bottom[0].data_tensor, top[0].data_tensor
        if self.along_axis:
            indices, values = (None, y) if self.param.out_max_val else (y, None)
            engine.largest(x, indices, values, self.axis(self.param.axis, len(x.shape)))
        else:
            rows = x.shape[0]
            engine.largest_of_rows(x.reshaped(rows, math.prod(x.shape[1:])), y, self.param.out_max_val)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not needs[0], "the place of the largest has no gradient", "set propagate_down: false")

    def can_force_backward(self, bottom: int) -> bool:
        return False
