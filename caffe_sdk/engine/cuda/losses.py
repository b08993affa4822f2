"""Losses: one number that says how far from right, and its gradients times dloss, the loss weight."""

from __future__ import annotations

from caffe_sdk.engine.cuda.checks import Wrong
from caffe_sdk.engine.cuda.softmax import CudaScale, cut, divided, ignored
from caffe_sdk.engine.reference.losses import SMALLEST_PROBABILITY, Losses
from caffe_sdk.memory import Tensor


class CudaLosses(CudaScale, Losses):
    """Parts of sums, then their sum: in the same order always."""

    def euclidean_loss(self, x: Tensor, target: Tensor, loss: Tensor) -> None:
        """loss = sum of (x - target)^2 / (2 n)."""
        parts = self.parts("squared_differences", x.count, self.source(x), self.source(target), at=2)
        self.finish_loss(parts, loss, 0.5 / _batch(x))

    def euclidean_loss_grad(self, x: Tensor, target: Tensor, dloss: Tensor, dx: Tensor) -> None:
        """dx = dloss (x - target) / n."""
        sources = map(self.source, (x, target, dloss))
        self.launch("difference_grad", dx.count, *sources, self.target(dx), 1 / _batch(x))

    def sigmoid_loss(
        self, x: Tensor, target: Tensor, loss: Tensor, ignore_label: int | None, normalization: str
    ) -> None:
        """loss = - sum of (target log p + (1 - target) log(1 - p)) / normalizer, with p = sigmoid(x)."""
        parts = self._sigmoid_parts(x, target, ignore_label)
        self.finish_loss(parts, loss, *divided(normalization, x.count, x.shape[0]))

    def sigmoid_loss_grad(
        self, x: Tensor, target: Tensor, dloss: Tensor, dx: Tensor, ignore_label: int | None, normalization: str
    ) -> None:
        """dx = dloss (sigmoid(x) - target) / normalizer, and 0 where the target is ignored."""
        parts = self._sigmoid_parts(x, target, ignore_label)
        scale = self.gradient_scale(parts, dloss, *divided(normalization, x.count, x.shape[0]))
        pointers = self.source(x), self.source(target), scale, self.target(dx)
        self.launch("sigmoid_loss_grad", dx.count, *pointers, *ignored(ignore_label))

    def hinge_loss(self, x: Tensor, label: Tensor, loss: Tensor, squared: bool) -> None:
        """loss = sum of max(0, 1 - s x), s being 1 at the label and -1 elsewhere, or of its square, / n."""
        classes = _values(x)
        rest = classes, squared, *self.check(Wrong.LABEL, classes)
        parts = self.parts("hinge_loss", x.count, self.source(x), self.source(label), *rest, at=2)
        self.finish_loss(parts, loss, 1 / _batch(x))

    def hinge_loss_grad(self, x: Tensor, label: Tensor, dloss: Tensor, dx: Tensor, squared: bool) -> None:
        """dx = - s dloss / n where the margin is more than 0, times twice the margin if squared."""
        classes = _values(x)
        sources = map(self.source, (x, label, dloss))
        rest = classes, squared, 1 / _batch(x), *self.check(Wrong.LABEL, classes)
        self.launch("hinge_loss_grad", dx.count, *sources, self.target(dx), *rest)

    def multinomial_loss(self, prob: Tensor, label: Tensor, loss: Tensor) -> None:
        """loss = - sum of log max(prob[label], 1e-20) / n."""
        classes, rows = _values(prob), prob.shape[0]
        rest = classes, 1, 0, 0, SMALLEST_PROBABILITY, *self.check(Wrong.LABEL, classes)
        parts = self.parts("softmax_loss", rows, self.source(prob), self.source(label), *rest, at=2)
        self.finish_loss(parts, loss, 1 / _batch(prob))

    def multinomial_loss_grad(self, prob: Tensor, label: Tensor, dloss: Tensor, dx: Tensor) -> None:
        """dx = - dloss / (n max(prob[label], 1e-20)) at the label, 0 elsewhere."""
        classes = _values(prob)
        sources = map(self.source, (prob, label, dloss))
        rest = classes, 1 / _batch(prob), SMALLEST_PROBABILITY, *self.check(Wrong.LABEL, classes)
        self.launch("multinomial_grad", dx.count, *sources, self.target(dx), *rest)

    def infogain_loss(
        self,
        prob: Tensor,
        label: Tensor,
        matrix: Tensor,
        loss: Tensor,
        axis: int,
        ignore_label: int | None,
        normalization: str,
    ) -> None:
        """loss = - sum over classes of matrix[label, class] log max(prob, 1e-20) / normalizer."""
        outer, _, inner = cut(prob.shape, axis)
        parts = self._gain_parts(prob, label, matrix, axis, ignore_label)
        self.finish_loss(parts, loss, *divided(normalization, outer * inner, outer))

    def infogain_loss_grad(
        self,
        prob: Tensor,
        label: Tensor,
        matrix: Tensor,
        dloss: Tensor,
        dx: Tensor,
        axis: int,
        ignore_label: int | None,
        normalization: str,
    ) -> None:
        """dx, behind the softmax that made prob: dloss (prob * sum of the gains - gains) / normalizer."""
        outer, classes, inner = cut(prob.shape, axis)
        parts = self._gain_parts(prob, label, matrix, axis, ignore_label)
        scale = self.gradient_scale(parts, dloss, *divided(normalization, outer * inner, outer))
        pointers = *map(self.source, (prob, label, matrix)), scale, self.target(dx)
        rest = *ignored(ignore_label), *self.check(Wrong.LABEL, classes)
        self.launch("infogain_loss_grad", dx.count, *pointers, classes, inner, *rest)

    def contrastive_loss(
        self, a: Tensor, b: Tensor, similar: Tensor, loss: Tensor, margin: float, legacy: bool
    ) -> None:
        """loss = sum of (d^2 where similar, else max(0, margin - d)^2) / (2 n), d being the distance of a and b."""
        squares = self._distances(a, b)
        parts = self.parts("contrastive_loss", a.shape[0], squares, self.source(similar), margin, legacy, at=2)
        self.finish_loss(parts, loss, 0.5 / _batch(a))

    def contrastive_loss_grad(
        self, a: Tensor, b: Tensor, similar: Tensor, dloss: Tensor, da: Tensor, margin: float, legacy: bool
    ) -> None:
        """da = dloss (a - b) / n where similar, else - that, times (margin - d) / (d + 1e-4) unless legacy."""
        squares = self._distances(a, b)
        sources = self.source(a), self.source(b), squares, self.source(similar), self.source(dloss)
        rest = _values(a), margin, legacy, 1 / _batch(a)
        self.launch("contrastive_loss_grad", da.count, *sources, self.target(da), *rest)

    def _sigmoid_parts(self, x: Tensor, target: Tensor, ignore_label: int | None) -> tuple[int, int]:
        return self.parts("sigmoid_loss", x.count, self.source(x), self.source(target), *ignored(ignore_label), at=2)

    def _gain_parts(
        self, prob: Tensor, label: Tensor, matrix: Tensor, axis: int, ignore_label: int | None
    ) -> tuple[int, int]:
        _, classes, inner = cut(prob.shape, axis)
        sources = map(self.source, (prob, label, matrix))
        rest = classes, inner, *ignored(ignore_label), SMALLEST_PROBABILITY, *self.check(Wrong.LABEL, classes)
        return self.parts("infogain_loss", prob.count, *sources, *rest, at=3)

    def _distances(self, a: Tensor, b: Tensor) -> int:
        """The address of the squared distances of pairs."""
        squares = self.scratch("distances", max(1, a.shape[0]))
        self.launch_rows("squared_distances", a.shape[0], self.source(a), self.source(b), squares, _values(a))
        return squares


def _batch(x: Tensor) -> int:
    return max(1, x.shape[0])


def _values(x: Tensor) -> int:
    """Of one of a batch."""
    return x.count // _batch(x)
