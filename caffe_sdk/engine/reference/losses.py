"""Losses: one number that says how far from right, and its gradients times dloss, the loss weight."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.engine.reference.softmax import class_indices, cut, normalizer
from caffe_sdk.memory import Array, Tensor

SMALLEST_PROBABILITY = 1e-20  # Caffe's kLOG_THRESHOLD


class Losses(EngineBase):
    """Shapes: x, its gradient and its target alike, (n, ...); label (n * places); loss and dloss ()."""

    @operation(writes="loss")
    def euclidean_loss(self, x: Tensor, target: Tensor, loss: Tensor) -> None:
        """loss = sum of (x - target)^2 / (2 n)."""
        difference = self.read(x) - self.read(target).reshape(x.shape)
        self.write(loss)[...] = (difference * difference).sum() / (2 * max(1, x.shape[0]))

    @operation(writes="dx")
    def euclidean_loss_grad(self, x: Tensor, target: Tensor, dloss: Tensor, dx: Tensor) -> None:
        """dx = dloss (x - target) / n. The target's gradient is that of x with the two exchanged."""
        difference = self.read(x) - self.read(target).reshape(x.shape)
        self.write(dx)[...] = self.read(dloss) / max(1, x.shape[0]) * difference

    @operation(writes="loss")
    def sigmoid_loss(
        self, x: Tensor, target: Tensor, loss: Tensor, ignore_label: int | None, normalization: str
    ) -> None:
        """loss = - sum of (target log p + (1 - target) log(1 - p)) / normalizer, with p = sigmoid(x)."""
        scores, targets, counted = self._targets(x, target, ignore_label)
        terms = np.logaddexp(0, scores) - scores * targets
        self.write(loss)[...] = terms[counted].sum() / normalizer(normalization, counted)

    @operation(writes="dx")
    def sigmoid_loss_grad(
        self, x: Tensor, target: Tensor, dloss: Tensor, dx: Tensor, ignore_label: int | None, normalization: str
    ) -> None:
        """dx = dloss (sigmoid(x) - target) / normalizer, and 0 where the target is ignored."""
        scores, targets, counted = self._targets(x, target, ignore_label)
        scale = self.read(dloss) / normalizer(normalization, counted)
        result = scale * (0.5 + 0.5 * np.tanh(0.5 * scores) - targets) * counted
        self.write(dx)[...] = result.reshape(dx.shape)

    def _targets(self, x: Tensor, target: Tensor, ignore_label: int | None) -> tuple[Array, Array, Array]:
        """Scores, targets and which targets count, (n, values)."""
        scores = self.read(x).reshape(x.shape[0], -1 if x.count else 0)
        targets = self.read(target).reshape(scores.shape)
        counted = np.ones(scores.shape, bool) if ignore_label is None else np.trunc(targets) != ignore_label
        return scores, targets, counted

    @operation(writes="loss")
    def hinge_loss(self, x: Tensor, label: Tensor, loss: Tensor, squared: bool) -> None:
        """loss = sum of max(0, 1 - s x), s being 1 at the label and -1 elsewhere, or of its square, / n."""
        margins, _ = self._margins(x, label)
        terms = margins * margins if squared else margins
        self.write(loss)[...] = terms.sum() / max(1, x.shape[0])

    @operation(writes="dx")
    def hinge_loss_grad(self, x: Tensor, label: Tensor, dloss: Tensor, dx: Tensor, squared: bool) -> None:
        """dx = - s dloss / n where the margin is more than 0, times twice the margin if squared."""
        margins, signs = self._margins(x, label)
        slopes = 2 * margins if squared else np.sign(margins)
        result = -signs * slopes * (self.read(dloss) / max(1, x.shape[0]))
        self.write(dx)[...] = result.reshape(dx.shape)

    def _margins(self, x: Tensor, label: Tensor) -> tuple[Array, Array]:
        """max(0, 1 - s x) and s, (n, classes)."""
        scores = self.read(x).reshape(x.shape[0], -1 if x.count else 0)
        classes, _ = class_indices(self.read(label), (*scores.shape, 1), None)
        signs = np.full(scores.shape, -1, scores.dtype)
        np.put_along_axis(signs, classes, 1, axis=1)
        return np.maximum(0, 1 - signs * scores), signs

    @operation(writes="loss")
    def multinomial_loss(self, prob: Tensor, label: Tensor, loss: Tensor) -> None:
        """loss = - sum of log max(prob[label], 1e-20) / n."""
        chosen, _ = self._chosen(prob, label)
        self.write(loss)[...] = -np.log(chosen).sum() / max(1, prob.shape[0])

    @operation(writes="dx")
    def multinomial_loss_grad(self, prob: Tensor, label: Tensor, dloss: Tensor, dx: Tensor) -> None:
        """dx = - dloss / (n max(prob[label], 1e-20)) at the label, 0 elsewhere."""
        chosen, classes = self._chosen(prob, label)
        result = np.zeros((prob.shape[0], prob.count // max(1, prob.shape[0])), chosen.dtype)
        np.put_along_axis(result, classes, -self.read(dloss) / max(1, prob.shape[0]) / chosen, axis=1)
        self.write(dx)[...] = result.reshape(dx.shape)

    def _chosen(self, prob: Tensor, label: Tensor) -> tuple[Array, Array]:
        """The labels' probabilities, not too small for a logarithm, and the labels, (n, 1)."""
        rows = self.read(prob).reshape(prob.shape[0], -1 if prob.count else 0)
        classes, _ = class_indices(self.read(label), (*rows.shape, 1), None)
        return np.maximum(np.take_along_axis(rows, classes, axis=1), SMALLEST_PROBABILITY), classes

    @operation(writes="loss")
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
        probabilities = cut(self.read(prob), axis)
        gains, counted = self._gains(probabilities, label, matrix, ignore_label)
        terms = gains * np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)) * counted[:, None]
        self.write(loss)[...] = -terms.sum() / normalizer(normalization, counted)

    @operation(writes="dx")
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
        probabilities = cut(self.read(prob), axis)
        gains, counted = self._gains(probabilities, label, matrix, ignore_label)
        result = (probabilities * gains.sum(axis=1, keepdims=True) - gains) * counted[:, None]
        result = result * (self.read(dloss) / normalizer(normalization, counted))
        self.write(dx)[...] = result.reshape(dx.shape)

    def _gains(
        self, probabilities: Array, label: Tensor, matrix: Tensor, ignore_label: int | None
    ) -> tuple[Array, Array]:
        """The matrix's row of each label, (outer, classes, inner), and which labels count, (outer, inner)."""
        classes, counted = class_indices(self.read(label), probabilities.shape, ignore_label)
        count = probabilities.shape[1]
        return self.read(matrix).reshape(count, count)[classes].swapaxes(1, 2), counted

    @operation(writes="loss")
    def contrastive_loss(
        self, a: Tensor, b: Tensor, similar: Tensor, loss: Tensor, margin: float, legacy: bool
    ) -> None:
        """loss = sum of (d^2 where similar, else max(0, margin - d)^2) / (2 n), d being the distance of a and b.

        ``legacy`` takes max(0, margin - d^2) for pairs that are not similar (Hadsell and others, 2006).
        """
        _, squares, alike = self._pairs(a, b, similar)
        apart = np.maximum(0, margin - squares) if legacy else np.maximum(0, margin - np.sqrt(squares)) ** 2
        self.write(loss)[...] = np.where(alike, squares, apart).sum() / (2 * max(1, a.shape[0]))

    @operation(writes="da")
    def contrastive_loss_grad(
        self, a: Tensor, b: Tensor, similar: Tensor, dloss: Tensor, da: Tensor, margin: float, legacy: bool
    ) -> None:
        """da = dloss (a - b) / n where similar, else - that, times (margin - d) / (d + 1e-4) unless legacy.

        It is 0 beyond the margin. The gradient of b is that of a with the two exchanged.
        """
        differences, squares, alike = self._pairs(a, b, similar)
        distance = np.sqrt(squares)
        room = margin - (squares if legacy else distance)
        pull = np.ones_like(squares) if legacy else room / (distance + 1e-4)
        factors = np.where(alike, 1, np.where(room > 0, -pull, 0)) * (self.read(dloss) / max(1, a.shape[0]))
        self.write(da)[...] = (factors[:, None] * differences).reshape(da.shape)

    def _pairs(self, a: Tensor, b: Tensor, similar: Tensor) -> tuple[Array, Array, Array]:
        """Differences (n, values), their squared lengths (n,), and which pairs are similar (n,)."""
        differences = self.read(a) - self.read(b).reshape(a.shape)
        differences = differences.reshape(a.shape[0], -1 if a.count else 0)
        return differences, (differences * differences).sum(axis=1), np.trunc(self.read(similar).reshape(-1)) != 0
