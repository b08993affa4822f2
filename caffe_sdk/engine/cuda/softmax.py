"""Softmax over an axis, the multinomial loss on its output, and accuracy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.checks import Wrong
from caffe_sdk.engine.cuda.dnn import softmax as dnn
from caffe_sdk.engine.cuda.dnn.jobs import Run
from caffe_sdk.engine.cuda.formats import FLOAT32
from caffe_sdk.engine.reference.softmax import Softmax
from caffe_sdk.memory import Shape, Tensor

SMALLEST = float(np.finfo(np.float32).tiny)


class CudaScale(CudaBase):
    """Losses as sums over parts, and what their gradients are multiplied with."""

    def finish_loss(self, parts: tuple[int, int], loss: Tensor, factor: float, valid: bool = False) -> None:
        """loss = factor * the sum of the parts, divided by how many labels counted if ``valid``."""
        at, blocks = parts
        self.launch_rows("finish_loss", 1, at, 0, self.target(loss), blocks, factor, valid)

    def gradient_scale(self, parts: tuple[int, int], dloss: Tensor, factor: float, valid: bool) -> int:
        """The address of factor dloss, divided by how many labels counted if ``valid``."""
        at, blocks = parts
        scale = self.scratch("scale", 1)
        self.launch_rows("finish_loss", 1, at, self.source(dloss), scale, blocks, factor, valid)
        return scale


class CudaSoftmax(CudaScale, Softmax):
    """Rows by a block each where their classes are neighbours, else by a thread each."""

    def softmax(self, x: Tensor, y: Tensor, axis: int) -> None:
        """y = exp(x) / sum over the axis of exp(x)."""
        outer, classes, inner = cut(x.shape, axis)
        apart = self.now.real == FLOAT32 and x.memory is not y.memory
        job = dnn.Softmax((outer, classes, inner, 1)) if apart else None
        self.either(job, [self.source(x)], [self.target(y)], self._rows("softmax", outer, classes, inner))

    def softmax_grad(self, y: Tensor, dy: Tensor, dx: Tensor, axis: int) -> None:
        """dx = y (dy - sum over the axis of dy y)."""
        outer, classes, inner = cut(y.shape, axis)
        job, given = dnn.SoftmaxGrad((outer, classes, inner, 1)), [self.source(y), self.source(dy)]
        self.either(job, given, [self.target(dx)], self._rows("softmax_grad", outer, classes, inner))

    def softmax_loss(
        self, prob: Tensor, label: Tensor, loss: Tensor, axis: int, ignore_label: int | None, normalization: str
    ) -> None:
        """loss = - sum of log max(prob[label], FLT_MIN) / normalizer."""
        parts = self._label_parts(prob, label, axis, ignore_label)
        outer, _, inner = cut(prob.shape, axis)
        self.finish_loss(parts, loss, *divided(normalization, outer * inner, outer))

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
        outer, classes, inner = cut(prob.shape, axis)
        parts = self._label_parts(prob, label, axis, ignore_label)
        scale = self.gradient_scale(parts, dloss, *divided(normalization, outer * inner, outer))
        pointers = self.source(prob), self.source(label), scale, self.target(dx)
        rest = (*ignored(ignore_label), *self.check(Wrong.LABEL, classes))
        self.launch("softmax_loss_grad", dx.count, *pointers, classes, inner, *rest)

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
        """top = the share of labels among the top_k scores; per_class (classes,) = the same for each class alone."""
        outer, classes, inner = cut(scores.shape, axis)
        rows, right, labels = outer * inner, self.scratch("right", outer * inner), self.source(label)
        rest = (*ignored(ignore_label), *self.check(Wrong.LABEL, classes))
        self.launch("accurate", rows, self.source(scores), labels, right, classes, inner, min(top_k, MOST_INT), *rest)
        self.launch_rows("accuracy", 1, right, 0, self.target(top), rows)
        if per_class is not None:
            self.launch_rows("accuracy", classes, right, labels, self.target(per_class), rows)

    def _rows(self, name: str, outer: int, classes: int, inner: int) -> Run:
        """The kernel of this name for rows of neighbours, or for rows that are neighbours."""
        if inner == 1:
            return lambda *addresses: self.launch_rows(f"{name}_of_rows", outer, *addresses, classes)
        return self.kernel(f"{name}_of_columns", outer * inner, classes, inner)

    def _label_parts(self, prob: Tensor, label: Tensor, axis: int, ignore_label: int | None) -> tuple[int, int]:
        outer, classes, inner = cut(prob.shape, axis)
        rest: tuple[Any, ...] = (*ignored(ignore_label), SMALLEST, *self.check(Wrong.LABEL, classes))
        pointers = self.source(prob), self.source(label)
        return self.parts("softmax_loss", outer * inner, *pointers, classes, inner, *rest, at=2)


MOST_INT = 2**31 - 1


def cut(x: Shape, axis: int) -> tuple[int, int, int]:
    """Values before, along and behind an axis."""
    return math.prod(x[:axis]), x[axis], math.prod(x[axis + 1 :])


def ignored(ignore_label: int | None) -> tuple[int, int]:
    """Whether labels are ignored, and which."""
    return (0, 0) if ignore_label is None else (1, ignore_label)


def divided(normalization: str, every: int, outer: int) -> tuple[float, bool]:
    """The factor of a loss, and whether it is divided by how many labels counted, as `normalizer` says."""
    by = {"FULL": every, "VALID": 1, "BATCH_SIZE": outer, "NONE": 1}[normalization]
    return 1 / max(1, by), normalization == "VALID"
