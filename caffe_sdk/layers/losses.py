"""Losses: how far the first bottom is from right, as one number, whose weight in the net's loss is 1 unless given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, exactly, fitted, layer
from caffe_sdk.layers.softmax import check_classes
from caffe_sdk.memory import HOST, Shape, Tensor, new_tensor
from caffe_sdk.schema.messages import HingeLossParameter, LossParameter
from caffe_sdk.schema.wire import read_blob


class Loss(Layer):
    """What losses of scores or values (bottom 0) against labels or targets (bottom 1) share."""

    bottoms = exactly(2)
    auto_tops = 1
    is_loss = True
    smooth_tops = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        values, targets = bottoms[:2]
        self.check_shape(bool(values), "bottom 0 is a scalar", "give it a batch axis")
        self.check_shape(values[:1] == targets[:1], f"bottoms {values} and {targets}", "give one batch size")
        return [()]

    def check_counts(self, bottoms: Sequence[Shape]) -> None:
        """The first two bottoms must hold equally many values."""
        values, targets = (math.prod(shape) for shape in bottoms[:2])
        self.check_shape(values == targets, f"{targets} targets for {values} values", "give one each")

    def check_needs(self, needs: Sequence[bool]) -> None:
        """Labels (and what comes after them) have no gradient."""
        for i, needed in enumerate(needs[1:], 1):
            what = "cannot backpropagate to label inputs"
            self.check(not needed, what, f"set propagate_down: false for bottom {i}")

    def can_force_backward(self, bottom: int) -> bool:
        return bottom == 0


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(Loss):
    """loss = - sum of log softmax(x)[label] / normalizer.  (n, classes, ...), (n, ...) -> (), [prob like x]

    The normalizer counts labels as ``loss_param.normalization`` says (VALID: those not ignored), and is at least 1.
    """

    tops = Arity(1, 2)

    def setup(self, config: Any) -> None:
        self.class_axis: int = config.softmax_param.axis
        self.ignore_label = ignored_label(config.loss_param)
        self.normalization = normalization(config.loss_param, "VALID")
        self.prob: Tensor | None = None

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, labels = bottoms[:2]
        check_labels(self, scores, labels, self.class_axis)
        check_classes(self, scores, self.class_axis)
        return [*super().shapes(bottoms), scores]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.prob = fitted(self.prob, bottom[0])

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        prob, label, axis = self.probabilities(top), bottom[1].data_tensor, self.axis_of(bottom)
        engine.softmax(bottom[0].data_tensor, prob, axis)
        engine.softmax_loss(prob, label, top[0].data_tensor, axis, self.ignore_label, self.normalization)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check_needs(needs)
        if needs[0]:
            prob, label, dloss = self.probabilities(top), bottom[1].data_tensor, top[0].diff_tensor
            dx, axis = bottom[0].diff_tensor, self.axis_of(bottom)
            engine.softmax_loss_grad(prob, label, dloss, dx, axis, self.ignore_label, self.normalization)

    def probabilities(self, top: Sequence[Blob]) -> Tensor:
        """Where the softmax goes: the second top, or a buffer if there is none."""
        if len(top) > 1:
            return top[1].data_tensor
        assert self.prob is not None
        return self.prob

    def axis_of(self, bottom: Sequence[Blob]) -> int:
        """The class axis of the scores."""
        return self.axis(self.class_axis, len(bottom[0].shape))


@layer("InfogainLoss")
class InfogainLoss(SoftmaxWithLoss):
    """loss = - sum over classes of H[label, class] log softmax(x)[class] / normalizer.

    (n, classes, ...), (n, ...), [H (classes, classes)] -> (), [prob like x]; or H is in the file ``source``.
    """

    bottoms = Arity(2, 3)

    def setup(self, config: Any) -> None:
        super().setup(config)
        param = config.infogain_loss_param
        self.class_axis = param.axis
        self.matrix: Tensor | None = None
        if len(config.bottom) < 3:
            self.check(bool(param.source), "has no matrix", "give a third bottom, or source in infogain_loss_param")
            values = np.asarray(read_blob(param.source).data, np.float32)
            self.matrix = new_tensor(values.shape)
            self.matrix.memory.write(HOST)[...] = values.reshape(-1)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        tops = super().shapes(bottoms)
        classes = bottoms[0][self.axis(self.class_axis, len(bottoms[0]))]
        shape = self.matrix.shape if self.matrix is not None else bottoms[2]
        square = math.prod(shape) == classes * classes and shape[-2:] == (classes, classes)
        self.check_shape(square, f"matrix {shape} for {classes} classes", f"give {(classes, classes)}")
        return tops

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        prob, label, axis = self.probabilities(top), bottom[1].data_tensor, self.axis_of(bottom)
        loss, matrix = top[0].data_tensor, self._matrix(bottom)
        engine.softmax(bottom[0].data_tensor, prob, axis)
        engine.infogain_loss(prob, label, matrix, loss, axis, self.ignore_label, self.normalization)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check_needs(needs)
        if needs[0]:
            prob, label, matrix = self.probabilities(top), bottom[1].data_tensor, self._matrix(bottom)
            dloss, dx, axis = top[0].diff_tensor, bottom[0].diff_tensor, self.axis_of(bottom)
            engine.infogain_loss_grad(prob, label, matrix, dloss, dx, axis, self.ignore_label, self.normalization)

    def _matrix(self, bottom: Sequence[Blob]) -> Tensor:
        return self.matrix if self.matrix is not None else bottom[2].data_tensor


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Loss):
    """loss = - sum of log prob[label] / n.  (n, classes), (n,) -> ()"""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        check_one_label_each(self, bottoms)
        return super().shapes(bottoms)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.multinomial_loss(bottom[0].data_tensor, bottom[1].data_tensor, top[0].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check_needs(needs)
        if needs[0]:
            prob, label = bottom[0].data_tensor, bottom[1].data_tensor
            engine.multinomial_loss_grad(prob, label, top[0].diff_tensor, bottom[0].diff_tensor)


@layer("HingeLoss")
class HingeLoss(Loss):
    """loss = sum of max(0, 1 - s x) / n, s being 1 at the label and -1 elsewhere.  (n, classes), (n,) -> ()

    ``norm: L2`` takes squares.
    """

    def setup(self, config: Any) -> None:
        self.squared = config.hinge_loss_param.norm == HingeLossParameter.L2

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        check_one_label_each(self, bottoms)
        return super().shapes(bottoms)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.hinge_loss(bottom[0].data_tensor, bottom[1].data_tensor, top[0].data_tensor, self.squared)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check_needs(needs)
        if needs[0]:
            x, label = bottom[0].data_tensor, bottom[1].data_tensor
            engine.hinge_loss_grad(x, label, top[0].diff_tensor, bottom[0].diff_tensor, self.squared)


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Loss):
    """loss = - sum of (target log p + (1 - target) log(1 - p)) / normalizer, p = sigmoid(x).  (n, ...) twice -> ()

    The normalizer is the batch size unless ``loss_param`` says otherwise, and at least 1.
    """

    def setup(self, config: Any) -> None:
        self.ignore_label = ignored_label(config.loss_param)
        self.normalization = normalization(config.loss_param, "BATCH_SIZE")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_counts(bottoms)
        return super().shapes(bottoms)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, target, loss = bottom[0].data_tensor, bottom[1].data_tensor, top[0].data_tensor
        engine.sigmoid_loss(x, target, loss, self.ignore_label, self.normalization)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check_needs(needs)
        if needs[0]:
            x, target, dloss = bottom[0].data_tensor, bottom[1].data_tensor, top[0].diff_tensor
            dx = bottom[0].diff_tensor
            engine.sigmoid_loss_grad(x, target, dloss, dx, self.ignore_label, self.normalization)


@layer("EuclideanLoss")
class EuclideanLoss(Loss):
    """loss = sum of (a - b)^2 / (2 n). Both bottoms have gradients.  (n, ...), (n, ...) -> ()"""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_counts(bottoms)
        return super().shapes(bottoms)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.euclidean_loss(bottom[0].data_tensor, bottom[1].data_tensor, top[0].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for i in (0, 1):
            if needs[i]:
                x, target = bottom[i].data_tensor, bottom[1 - i].data_tensor
                engine.euclidean_loss_grad(x, target, top[0].diff_tensor, bottom[i].diff_tensor)

    def can_force_backward(self, bottom: int) -> bool:
        return True


@layer("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """loss = sum of (d^2 where similar, else max(0, margin - d)^2) / (2 n), d = |a - b|.  (n, c), (n, c), (n,) -> ()

    ``legacy_version`` takes max(0, margin - d^2) for pairs that are not similar.
    """

    bottoms = exactly(3)

    def setup(self, config: Any) -> None:
        param = config.contrastive_loss_param
        self.margin, self.legacy = param.margin, param.legacy_version

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.check_counts(bottoms)
        a, similar = bottoms[0], bottoms[2]
        self.check_shape(math.prod(similar) == math.prod(a[:1]), f"{similar} for pairs {a}", "give one number per pair")
        return super().shapes(bottoms)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        a, b, similar = (blob.data_tensor for blob in bottom)
        engine.contrastive_loss(a, b, similar, top[0].data_tensor, self.margin, self.legacy)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not needs[2], "cannot backpropagate to label inputs", "set propagate_down: false for bottom 2")
        similar, dloss = bottom[2].data_tensor, top[0].diff_tensor
        for i in (0, 1):
            if needs[i]:
                x, other, dx = bottom[i].data_tensor, bottom[1 - i].data_tensor, bottom[i].diff_tensor
                engine.contrastive_loss_grad(x, other, similar, dloss, dx, self.margin, self.legacy)

    def can_force_backward(self, bottom: int) -> bool:
        return bottom != 2


def check_labels(layer: Layer, scores: Shape, labels: Shape, class_axis: int) -> None:
    """There must be one label for each place of the scores outside the class axis."""
    axis = layer.axis(class_axis, len(scores))
    places = scores[:axis] + scores[axis + 1 :]
    layer.check_shape(
        math.prod(labels) == math.prod(places),
        f"{math.prod(labels)} labels {labels} for scores {scores} with classes at axis {axis}",
        f"give {math.prod(places)} labels {places}",
    )


def check_one_label_each(layer: Layer, bottoms: Sequence[Shape]) -> None:
    """There must be one label per item of the batch."""
    scores, labels = bottoms
    layer.check_shape(
        math.prod(labels) == math.prod(scores[:1]),
        f"{math.prod(labels)} labels {labels} for scores {scores}",
        "give one label per item",
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
