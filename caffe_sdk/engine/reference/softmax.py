"""Softmax over an axis, the multinomial loss on its output, and accuracy.

``axis`` cuts a shape into outer (before it), classes and inner (behind it); a label is an index into the classes, one
per outer and inner place, whatever the shape of the label blob.
"""

from __future__ import annotations

import math

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.errors import DataError
from caffe_sdk.memory import Array, Shape, Tensor


class Softmax(EngineBase):
    """Shapes: x, y and prob (outer..., classes, inner...), label (outer * inner values), losses and accuracy ()."""

    @operation(writes="y")
    def softmax(self, x: Tensor, y: Tensor, axis: int) -> None:
        """y = exp(x) / sum over the axis of exp(x)."""
        values = self.read(x)
        powers = np.exp(values - values.max(axis, keepdims=True))
        self.write(y)[...] = powers / powers.sum(axis, keepdims=True)

    @operation(writes="dx")
    def softmax_grad(self, y: Tensor, dy: Tensor, dx: Tensor, axis: int) -> None:
        """dx = y (dy - sum over the axis of dy y)."""
        result, gradient = self.read(y), self.read(dy)
        self.write(dx)[...] = result * (gradient - (gradient * result).sum(axis, keepdims=True))

    @operation(writes="loss")
    def softmax_loss(
        self, prob: Tensor, label: Tensor, loss: Tensor, axis: int, ignore_label: int | None, normalization: str
    ) -> None:
        """loss = - sum of log max(prob[label], FLT_MIN) / normalizer.  DataError for a label that is no class."""
        probabilities = cut(self.read(prob), axis)
        classes, counted = class_indices(self.read(label), probabilities.shape, ignore_label)
        chosen = np.take_along_axis(probabilities, classes[:, None], axis=1)[:, 0]
        total = -np.log(np.maximum(chosen, np.finfo(np.float32).tiny))[counted].sum()
        self.write(loss)[...] = total / normalizer(normalization, counted)

    @operation(writes="dx")
    def softmax_loss_grad(
        self,
        prob: Tensor,
        label: Tensor,
        dloss: Tensor,
        dx: Tensor,
        axis: int,
        ignore_label: int | None,
        normalization: str,
    ) -> None:
        """dx = dloss (prob - one at the label) / normalizer, and 0 where the label is ignored."""
        probabilities = cut(self.read(prob), axis)
        classes, counted = class_indices(self.read(label), probabilities.shape, ignore_label)
        scale = self.read(dloss) / normalizer(normalization, counted)
        gradient = probabilities.copy()
        at_label = np.take_along_axis(gradient, classes[:, None], axis=1) - 1
        np.put_along_axis(gradient, classes[:, None], at_label, axis=1)
        gradient *= counted[:, None]
        self.write(dx)[...] = (gradient * scale).reshape(dx.shape)

    @operation(writes="top per_class")
    def accuracy(
        self,
        scores: Tensor,
        label: Tensor,
        top: Tensor,
        per_class: Tensor | None,
        axis: int,
        top_k: int,
        ignore_label: int | None,
    ) -> None:
        """top = the share of labels among the top_k scores; per_class (classes,) = the same for each class alone.

        As in Caffe an equal score counts as a better one, so a constant answer is never right; the share of nothing
        is 0.
        """
        values = cut(self.read(scores), axis)
        classes, counted = class_indices(self.read(label), values.shape, ignore_label)
        chosen = np.take_along_axis(values, classes[:, None], axis=1)
        others_as_good = (~(values < chosen)).sum(axis=1) - 1  # written so that NaN is never right
        right = (others_as_good < top_k) & counted
        self.write(top)[...] = right.sum() / max(1, counted.sum())
        if per_class is not None:
            of_class = np.bincount(classes[counted], minlength=values.shape[1])
            right_of_class = np.bincount(classes[right], minlength=values.shape[1])
            self.write(per_class)[...] = right_of_class / np.maximum(1, of_class)


def normalizer(normalization: str, counted: Array) -> float:
    """What a loss is divided by: FULL all labels, VALID those not ignored, BATCH_SIZE the outer places; at least 1."""
    count = {"FULL": counted.size, "VALID": counted.sum(), "BATCH_SIZE": counted.shape[0], "NONE": 1}[normalization]
    return float(max(1, count))


def cut(x: Array, axis: int) -> Array:
    """(outer, classes, inner)."""
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))


def class_indices(label: Array, shape: Shape, ignore_label: int | None) -> tuple[Array, Array]:
    """Class indices (outer, inner), and which of them count; an ignored label's index is 0."""
    outer, classes, inner = shape
    values = np.trunc(label.reshape(outer, inner))
    counted = np.ones(values.shape, bool) if ignore_label is None else values != ignore_label
    wrong = counted & ~((values >= 0) & (values < classes))
    if wrong.any():
        raise DataError("label", f"{values[wrong][0]:g} is not one of {classes} classes", f"give 0 to {classes - 1}")
    return np.where(counted, values, 0).astype(np.intp), counted
