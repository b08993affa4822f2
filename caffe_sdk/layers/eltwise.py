"""Layers that combine several bottoms of one shape value by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, fitted, layer
from caffe_sdk.memory import Shape, Tensor
from caffe_sdk.schema.messages import EltwiseParameter


@layer("Eltwise")
class Eltwise(Layer):
    """y = the product, the sum weighted by ``coeff``, or the maximum of the bottoms.  (...), (...), ... -> (...)"""

    bottoms = Arity(2, None)

    def setup(self, config: Any) -> None:
        self.param = config.eltwise_param
        self.operation: int = self.param.operation
        self.mask: Tensor | None = None
        given, bottoms = tuple(self.param.coeff), len(config.bottom)
        self.check(
            len(given) in (0, bottoms), f"coeff is given {len(given)} times for {bottoms} bottoms", "give one each"
        )
        self.check(not given or self.operation == EltwiseParameter.SUM, "coeff without SUM", "use operation: SUM")
        self.coefficients = given or (1.0,) * bottoms

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        for i, shape in enumerate(bottoms):
            same = shape == bottoms[0]
            self.check_shape(same, f"bottom {i} has shape {shape}, bottom 0 {bottoms[0]}", "give bottoms of one shape")
        return super().shapes(bottoms)

    def passes_gradient(self, bottom: int) -> bool:
        return bool(self.operation == EltwiseParameter.SUM and self.coefficients[bottom] == 1)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.operation == EltwiseParameter.MAX:
            self.mask = fitted(self.mask, top[0], np.int32)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        xs, y = [x.data_tensor for x in bottom], top[0].data_tensor
        if self.mask is not None:
            engine.maximum(xs, y, self.mask)
        elif self.operation == EltwiseParameter.PROD:
            engine.product(xs, y)
        elif all(c == 1 for c in self.coefficients):
            engine.add_all(xs, y)
        else:
            engine.weighted_sum(xs, y, self.coefficients)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        xs, y, dy = [x.data_tensor for x in bottom], top[0].data_tensor, top[0].diff_tensor
        for i in range(len(bottom)):
            dx = bottom[i].diff_tensor
            if not needs[i] or dx.memory is dy.memory:
                continue
            if self.mask is not None:
                engine.maximum_grad(self.mask, dy, dx, i)
            elif self.operation == EltwiseParameter.PROD:
                engine.product_grad(xs, y, dy, dx, i, self.param.stable_prod_grad)
            elif self.coefficients[i] == 1:
                engine.copy(dy, dx)
            else:
                engine.scale(dy, dx, self.coefficients[i])
