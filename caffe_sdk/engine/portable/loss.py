"""The multinomial loss in one pass: among small arrays a dozen NumPy calls cost more than the numbers."""

from __future__ import annotations

import math

import numpy as np

from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable import conditions
from caffe_sdk.engine.reference.softmax import Softmax
from caffe_sdk.memory import Array, Tensor


class FastLoss(Softmax):
    """Labels that are no classes are left to the reference, which says what is wrong with them."""

    @quiet
    def softmax_loss(
        self, prob: Tensor, label: Tensor, loss: Tensor, axis: int, ignore_label: int | None, normalization: str
    ) -> None:
        """loss = - sum of log max(prob[label], FLT_MIN) / normalizer."""
        if conditions.HAS_NUMBA:
            from caffe_sdk.engine.portable.loops import losses

            probabilities, labels = self._cut(prob, label, axis)
            smallest = np.finfo(np.float32).tiny
            total, counted = losses.softmax_loss(probabilities, labels, _number(ignore_label), smallest)
            if counted != losses.WRONG:
                self.write(loss)[...] = total / _normalizer(normalization, labels, counted)
                return
        super().softmax_loss(prob, label, loss, axis, ignore_label, normalization)

    @quiet
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
        if conditions.HAS_NUMBA and dx.memory is not prob.memory:
            from caffe_sdk.engine.portable.loops import losses

            probabilities, labels = self._cut(prob, label, axis)
            weight = self.read(dloss).item()
            gradient = self.write(dx).reshape(probabilities.shape)
            counted = losses.softmax_loss_grad(probabilities, labels, _number(ignore_label), gradient)
            if counted != losses.WRONG:
                gradient *= weight / _normalizer(normalization, labels, counted)
                return
        super().softmax_loss_grad(prob, label, dloss, dx, axis, ignore_label, normalization)

    def _cut(self, prob: Tensor, label: Tensor, axis: int) -> tuple[Array, Array]:
        """prob as (outer, classes, inner) and label as (outer, inner)."""
        outer, classes, inner = math.prod(prob.shape[:axis]), prob.shape[axis], math.prod(prob.shape[axis + 1 :])
        return self.read(prob).reshape(outer, classes, inner), self.read(label).reshape(outer, inner)


def _number(ignore_label: int | None) -> float:
    return math.nan if ignore_label is None else float(ignore_label)


def _normalizer(normalization: str, labels: Array, counted: int) -> int:
    """What a loss is divided by: all labels, those that count, the outer places, or 1; never 0."""
    counts: dict[str, int] = {"FULL": labels.size, "VALID": counted, "BATCH_SIZE": labels.shape[0], "NONE": 1}
    return max(1, counts[normalization])
