"""Softmax, and the loss of classification built on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, exactly, fitted, layer
from caffe_sdk.memory import Shape, Tensor
from caffe_sdk.schema.messages import LossParameter


@layer("Softmax")
class Softmax(Layer):
    """y = exp(x) / sum over ``axis`` of exp(x).  (..., classes, ...) -> (..., classes, ...)"""

    def setup(self, config: Any) -> None:
        self.class_axis: int = config.softmax_param.axis

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.classes(bottoms[0])
        return super().shapes(bottoms)

    def classes(self, shape: Shape) -> int:
        """The size of the class axis."""
        classes = shape[self.axis(self.class_axis, len(shape))]
        self.check_shape(classes > 0, f"input {shape} has no classes at axis {self.class_axis}", "give 1 or more")
        return classes

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        axis = self.axis(self.class_axis, len(bottom[0].shape))
        engine.softmax(bottom[0].data_tensor, top[0].data_tensor, axis)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            axis = self.axis(self.class_axis, len(bottom[0].shape))
            engine.softmax_grad(top[0].data_tensor, top[0].diff_tensor, bottom[0].diff_tensor, axis)


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(Softmax):
    """loss = - sum of log softmax(x)[label] / normalizer.  (n, classes, ...), (n, ...) -> (), [prob like x]

    The normalizer counts labels as ``loss_param.normalization`` says (VALID: those not ignored), and is at least 1.
    """

    bottoms = exactly(2)
    tops = Arity(1, 2)
    auto_tops = 1
    is_loss = True

    def setup(self, config: Any) -> None:
        super().setup(config)
        self.ignore_label = ignored_label(config.loss_param)
        self.normalization = normalization(config.loss_param, "VALID")
        self.prob: Tensor | None = None

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, labels = bottoms
        check_labels(self, scores, labels, self.class_axis)
        self.classes(scores)
        self.check_shape(scores[:1] == labels[:1], f"scores {scores} and labels {labels}", "give one batch size")
        return [(), scores]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.prob = top[1].data_tensor if len(top) > 1 else fitted(self.prob, bottom[0])

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        assert self.prob is not None
        scores, label, axis = bottom[0].data_tensor, bottom[1].data_tensor, self._axis(bottom)
        engine.softmax(scores, self.prob, axis)
        engine.softmax_loss(self.prob, label, top[0].data_tensor, axis, self.ignore_label, self.normalization)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        assert self.prob is not None
        self.check(not needs[1], "cannot backpropagate to label inputs", "set propagate_down: false for the label")
        if needs[0]:
            label, dloss, dx = bottom[1].data_tensor, top[0].diff_tensor, bottom[0].diff_tensor
            axis, ignore, norm = self._axis(bottom), self.ignore_label, self.normalization
            engine.softmax_loss_grad(self.prob, label, dloss, dx, axis, ignore, norm)

    def _axis(self, bottom: Sequence[Blob]) -> int:
        return self.axis(self.class_axis, len(bottom[0].shape))

    def can_force_backward(self, bottom: int) -> bool:
        return bottom != 1


def check_labels(layer: Layer, scores: Shape, labels: Shape, class_axis: int) -> None:
    """There must be one label for each place of the scores outside the class axis."""
    axis = layer.axis(class_axis, len(scores))
    places = scores[:axis] + scores[axis + 1 :]
    layer.check_shape(
        math.prod(labels) == math.prod(places),
        f"{math.prod(labels)} labels {labels} for scores {scores} with classes at axis {axis}",
        f"give {math.prod(places)} labels {places}",
    )


def ignored_label(param: Any) -> int | None:
    """The label that does not count, or None."""
    return param.ignore_label if param.HasField("ignore_label") else None


def normalization(param: Any, default: str) -> str:
    """The name of a LossParameter's normalization; the old ``normalize`` means VALID or BATCH_SIZE."""
    if param.HasField("normalization"):
        return str(LossParameter.NormalizationMode.Name(param.normalization))
    if param.HasField("normalize"):
        return "VALID" if param.normalize else "BATCH_SIZE"
    return default
