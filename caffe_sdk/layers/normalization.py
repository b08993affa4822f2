"""Layers that bring values to a common scale: by neighbours, by the batch, by each image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Layer, Parameter, fitted, layer
from caffe_sdk.memory import Shape, Tensor, new_tensor
from caffe_sdk.schema.messages import FillerParameter, LRNParameter


@layer("LRN")
class LRN(Layer):
    """y = x / (k + alpha / n * sum of x^2 over a neighbourhood)^beta.  (n, c, h, w) -> (n, c, h, w)

    The neighbourhood is ``local_size`` channels (ACROSS_CHANNELS), or a square of that side in the channel
    (WITHIN_CHANNEL), where k counts 1 whatever is given.
    """

    def setup(self, config: Any) -> None:
        param = config.lrn_param
        self.size, self.alpha, self.beta = param.local_size, param.alpha, param.beta
        self.within = param.norm_region == LRNParameter.WITHIN_CHANNEL
        self.k: float = 1.0 if self.within else param.k
        self.scale: Tensor | None = None
        self.check(self.size % 2 == 1, f"local_size: {self.size}", "give an odd number")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axes = len(bottoms[0])
        self.check_shape(axes == 4, f"input {bottoms[0]} has {axes} axes", "give num, channels, height, width")
        return super().shapes(bottoms)

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.scale = fitted(self.scale, bottom[0])

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        assert self.scale is not None
        x, y = bottom[0].data_tensor, top[0].data_tensor
        scale = self.scale if self.training else None
        engine.lrn(x, y, scale, self.size, self.alpha, self.beta, self.k, self.within)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        assert self.scale is not None
        if needs[0]:
            x, y, dy, dx = bottom[0].data_tensor, top[0].data_tensor, top[0].diff_tensor, bottom[0].diff_tensor
            neighbourhood = self.size, self.alpha, self.beta, self.k, self.within
            if not self.training:  # forward did without the scale
                engine.lrn(x, dx, self.scale, *neighbourhood)
            engine.lrn_grad(x, y, self.scale, dy, dx, *neighbourhood)


@layer("BatchNorm")
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(variance + eps), of each channel.  (n, c, ...) -> (n, c, ...)

    In TRAIN mean and variance are the batch's, and running sums follow them; in TEST they are the running ones (or as
    ``use_global_stats`` says). The parameters are the sums of means and of variances, and their weight.
    """

    in_place = True

    def setup(self, config: Any) -> None:
        param = config.batch_norm_param
        self.eps, self.fraction = param.eps, param.moving_average_fraction
        self.running = param.use_global_stats if param.HasField("use_global_stats") else not self.training
        self.normalized: Tensor | None = None
        self.deviation: Tensor | None = None
        while len(config.param) < 3:  # solvers leave the parameters alone
            config.param.add(lr_mult=0, decay_mult=0)
        self.check(
            all(spec.lr_mult == 0 for spec in config.param),
            "statistics cannot be trained as parameters",
            "set lr_mult: 0 for all three",
        )

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        self.check_shape(bool(bottoms[0]), "input is a scalar", "give it a batch axis")
        zero = FillerParameter(type="constant", value=0)
        channels = self._channels(bottoms[0])
        return [Parameter((channels,), zero), Parameter((channels,), zero), Parameter((1,), zero)]

    @staticmethod
    def _channels(shape: Shape) -> int:
        return shape[1] if len(shape) > 1 else 1

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if not self.running:
            self.normalized = fitted(self.normalized, bottom[0])
        if self.deviation is None:
            self.deviation = new_tensor((self._channels(bottom[0].shape),), bottom[0].dtype)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        assert self.deviation is not None
        x, y = bottom[0].data_tensor, top[0].data_tensor
        mean, variance, weight = (blob.data_tensor for blob in self.blobs)
        if self.normalized is None:
            engine.batch_norm_global(x, y, self.deviation, mean, variance, weight, self.eps)
        else:
            eps, fraction = self.eps, self.fraction
            engine.batch_norm(x, y, self.normalized, self.deviation, mean, variance, weight, eps, fraction)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        assert self.deviation is not None
        if not needs[0]:
            return
        if self.normalized is None:
            engine.batch_norm_global_grad(self.deviation, top[0].diff_tensor, bottom[0].diff_tensor)
        else:
            engine.batch_norm_grad(self.normalized, self.deviation, top[0].diff_tensor, bottom[0].diff_tensor)


@layer("MVN")
class MVN(Layer):
    """y = (x - mean) / (deviation + eps), of each channel of each image.  (n, c, ...) -> (n, c, ...)

    ``across_channels`` takes all channels of an image together; ``normalize_variance: false`` leaves the division out.
    """

    def setup(self, config: Any) -> None:
        self.param = config.mvn_param
        self.deviation: Tensor | None = None

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axes = len(bottoms[0])
        self.check_shape(2 <= axes <= 4, f"input {bottoms[0]} has {axes} axes", "give 2 to 4: num, channels, ...")
        return super().shapes(bottoms)

    def _rows(self, shape: Shape) -> Shape:
        """The bottom as a matrix: a row for everything that has a mean of its own."""
        kept = 1 if self.param.across_channels else 2
        return math.prod(shape[:kept]), math.prod(shape[kept:])

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        rows, _ = self._rows(bottom[0].shape)
        if self.param.normalize_variance and (self.deviation is None or self.deviation.shape != (rows,)):
            self.deviation = new_tensor((rows,), bottom[0].dtype)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        matrix = self._rows(bottom[0].shape)
        x, y = bottom[0].data_tensor.reshaped(*matrix), top[0].data_tensor.reshaped(*matrix)
        engine.mvn(x, y, self.deviation, self.param.eps)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            matrix = self._rows(bottom[0].shape)
            y, dy = top[0].data_tensor.reshaped(*matrix), top[0].diff_tensor.reshaped(*matrix)
            engine.mvn_grad(y, self.deviation, dy, bottom[0].diff_tensor.reshaped(*matrix))
