"""How often a classifier is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, exactly, layer
from caffe_sdk.layers.losses import check_labels, ignored_label
from caffe_sdk.memory import Shape


@layer("Accuracy")
class Accuracy(Layer):
    """The share of labels among the top_k scores.  (n, classes, ...), (n, ...) -> (), [per class (classes,)]

    A score equal to the label's counts as better than it.
    """

    bottoms = exactly(2)
    tops = Arity(1, 2)
    smooth_tops = 0

    def setup(self, config: Any) -> None:
        self.param = config.accuracy_param
        self.check(self.param.top_k > 0, "top_k: 0", "give top_k: 1 or more")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, labels = bottoms
        check_labels(self, scores, labels, self.param.axis)
        classes = scores[self.axis(self.param.axis, len(scores))]
        self.check_shape(
            self.param.top_k <= classes, f"top_k: {self.param.top_k} of {classes} classes", f"use at most {classes}"
        )
        return [(), (classes,)]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        scores, label = bottom[0].data_tensor, bottom[1].data_tensor
        per_class = top[1].data_tensor if len(top) > 1 else None
        axis = self.axis(self.param.axis, len(scores.shape))
        ignore = ignored_label(self.param)
        engine.accuracy(scores, label, top[0].data_tensor, per_class, axis, self.param.top_k, ignore)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not any(needs), "accuracy has no gradient", "give it no loss_weight")

    def can_force_backward(self, bottom: int) -> bool:
        return False
