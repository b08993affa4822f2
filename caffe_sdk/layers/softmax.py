"""Softmax: scores to probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Layer, layer
from caffe_sdk.memory import Shape


@layer("Softmax")
class Softmax(Layer):
    """y = exp(x) / sum over ``axis`` of exp(x).  (..., classes, ...) -> (..., classes, ...)"""

    in_place = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        check_classes(self, bottoms[0], self.config.softmax_param.axis)
        return super().shapes(bottoms)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.softmax(bottom[0].data_tensor, top[0].data_tensor, self._axis(bottom))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            y, dy, dx = top[0].data_tensor, top[0].diff_tensor, bottom[0].diff_tensor
            engine.softmax_grad(y, dy, dx, self._axis(bottom))

    def _axis(self, bottom: Sequence[Blob]) -> int:
        return self.axis(self.config.softmax_param.axis, len(bottom[0].shape))


def check_classes(layer: Layer, shape: Shape, class_axis: int) -> None:
    """There must be such an axis, and at least one class along it."""
    classes = shape[layer.axis(class_axis, len(shape))]
    layer.check_shape(classes > 0, f"input {shape} has no classes at axis {class_axis}", "give 1 or more")
