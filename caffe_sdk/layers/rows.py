"""Layers that pick rows, the items along axis 0, by number or by a mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, exactly, layer
from caffe_sdk.memory import HOST, Shape, Tensor, new_tensor


@layer("BatchReindex")
class BatchReindex(Layer):
    """y[i] = x[index[i]]: rows repeated, dropped, in another order.  (n, ...), (m,) -> (m, ...)"""

    bottoms = exactly(2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        rows, index = bottoms
        self.check_shape(len(rows) > 0, "the first bottom has no axes", "give it a batch")
        self.check_shape(len(index) == 1, f"index has shape {index}", "give it one axis")
        return [(index[0], *rows[1:])]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.take_rows(_matrix(bottom[0].data_tensor), bottom[1].data_tensor, _matrix(top[0].data_tensor))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not needs[1], "cannot backpropagate to the index", "set propagate_down: false for it")
        if needs[0]:
            engine.take_rows_grad(_matrix(top[0].diff_tensor), bottom[1].data_tensor, _matrix(bottom[0].diff_tensor))

    def can_force_backward(self, bottom: int) -> bool:
        return bottom == 0


@layer("Filter")
class Filter(Layer):
    """The rows whose selector, the last bottom, is not 0.  (n, ...), ..., (n,) -> (m, ...), ...

    The number of rows is known when the numbers are: the net follows after every forward pass.
    """

    bottoms = Arity(2, None)
    tops = Arity(1, None)
    on_host = True

    def setup(self, config: Any) -> None:
        tops, wanted = len(config.top), len(config.bottom) - 1
        self.check(tops == wanted, f"has {tops} tops for {wanted} bottoms and a selector", f"give {wanted} tops")
        self.rows: Tensor = new_tensor((0,))

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        *filtered, selector = bottoms
        single = len(selector) > 0 and all(size == 1 for size in selector[1:])
        self.check_shape(single, f"selector has shape {selector}", "Selector blob dimensions must be singletons (1)")
        for i, shape in enumerate(filtered):
            same = shape[:1] == selector[:1]
            self.check_shape(same, f"bottom {i} of shape {shape}, selector {selector}", "give one batch size")
        return filtered

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        (chosen,) = np.nonzero(bottom[-1].data_memory.read(HOST))
        self.rows = new_tensor(chosen.shape)
        self.rows.memory.write(HOST)[...] = chosen
        for x, y in zip(bottom, top, strict=False):
            y.reshape(len(chosen), *x.shape[1:])
            engine.take_rows(_matrix(x.data_tensor), self.rows, _matrix(y.data_tensor))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not needs[-1], "cannot backpropagate to the selector", "set propagate_down: false for it")
        for x, y, needed in zip(bottom, top, needs, strict=False):
            if needed:
                engine.take_rows_grad(_matrix(y.diff_tensor), self.rows, _matrix(x.diff_tensor))

    def can_force_backward(self, bottom: int) -> bool:
        return bottom < len(self.config.bottom) - 1


def _matrix(tensor: Tensor) -> Tensor:
    """(n, ...) as n rows."""
    return tensor.reshaped(tensor.shape[0], math.prod(tensor.shape[1:]))
