"""Layers in which every output sees every input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Layer, Parameter, layer
from caffe_sdk.memory import Shape


@layer("InnerProduct")
class InnerProduct(Layer):
    """y = x weight^T + bias.  (m..., k...) -> (m..., num_output)

    The bottom is cut into rows and columns before ``axis``. weight is (num_output, k), or with ``transpose`` the other
    way round.
    """

    def setup(self, config: Any) -> None:
        self.param = config.inner_product_param
        self.outputs: int = self.param.num_output
        self.transpose: bool = self.param.transpose
        self.check(self.outputs > 0, "num_output: 0", "give num_output: 1 or more")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = self.axis(self.param.axis, len(bottoms[0]))
        return [(*bottoms[0][:axis], self.outputs)]

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        _, inputs = self._matrix(bottoms[0])
        shape = (inputs, self.outputs) if self.transpose else (self.outputs, inputs)
        weight = Parameter(shape, self.param.weight_filler)
        bias = Parameter((self.outputs,), self.param.bias_filler)
        return [weight, bias] if self.param.bias_term else [weight]

    def multiply_adds(self, bottoms: Sequence[Shape]) -> int:
        return math.prod((*self._matrix(bottoms[0]), self.outputs))

    def _matrix(self, shape: Shape) -> tuple[int, int]:
        """The bottom as a matrix: rows and columns."""
        axis = self.axis(self.param.axis, len(shape))
        return math.prod(shape[:axis]), math.prod(shape[axis:])

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        rows, inputs = self._matrix(bottom[0].shape)
        x, y = bottom[0].data_tensor.reshaped(rows, inputs), top[0].data_tensor.reshaped(rows, self.outputs)
        engine.inner_product(x, self.blobs[0].data_tensor, self.parameter(1), y, self.transpose)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        rows, inputs = self._matrix(bottom[0].shape)
        dy = top[0].diff_tensor.reshaped(rows, self.outputs)
        dweight, dbias = self.gradient(0), self.gradient(1)
        if dweight is not None or dbias is not None:
            x = bottom[0].data_tensor.reshaped(rows, inputs)
            engine.inner_product_grad_weight(x, dy, dweight, dbias, self.transpose)
        if needs[0]:
            dx = bottom[0].diff_tensor.reshaped(rows, inputs)
            engine.inner_product_grad_data(dy, self.blobs[0].data_tensor, dx, self.transpose)


@layer("Embed")
class Embed(Layer):
    """y = weight[x] + bias: whole numbers to learned vectors.  (...) of 0 to input_dim - 1 -> (..., num_output)"""

    def setup(self, config: Any) -> None:
        self.param = config.embed_param
        self.check(self.param.num_output > 0, "num_output: 0", "give num_output: 1 or more")
        self.check(self.param.input_dim > 0, "input_dim: 0", "give input_dim: 1 or more")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(*bottoms[0], self.param.num_output)]

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        weight = Parameter((self.param.input_dim, self.param.num_output), self.param.weight_filler)
        bias = Parameter((self.param.num_output,), self.param.bias_filler)
        return [weight, bias] if self.param.bias_term else [weight]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.embed(bottom[0].data_tensor, self.blobs[0].data_tensor, self.parameter(1), top[0].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not needs[0], "cannot backpropagate to indices", "set propagate_down: false")
        dy, dweight, dbias = top[0].diff_tensor, self.gradient(0), self.gradient(1)
        if dweight is not None:
            engine.embed_grad(bottom[0].data_tensor, dy, dweight)
        if dbias is not None:
            engine.affine_grad_shift(dy, dbias, len(dy.shape) - 1)

    def can_force_backward(self, bottom: int) -> bool:
        return False
