"""Layers that compute every value by itself. Bottom and top have one shape, and may be one blob (in place)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Layer, Parameter, fitted, layer
from caffe_sdk.memory import Shape, Tensor
from caffe_sdk.schema.messages import FillerParameter


@layer("ReLU")
class ReLU(Layer):
    """y = x where x > 0, else negative_slope x.  (...) -> (...)"""

    def setup(self, config: Any) -> None:
        self.slope: float = config.relu_param.negative_slope

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        engine.relu(bottom[0].data_tensor, top[0].data_tensor, self.slope)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0]:
            engine.relu_grad(bottom[0].data_tensor, top[0].diff_tensor, bottom[0].diff_tensor, self.slope)


@layer("PReLU")
class PReLU(Layer):
    """y = x where x > 0, else slope[c] x, the slope being learned.  (n, c, ...) -> (n, c, ...)

    ``channel_shared``: one slope for all channels. Slopes begin with 0.25 if there is no filler.
    """

    def setup(self, config: Any) -> None:
        self.param = config.prelu_param
        self.before: Tensor | None = None  # what x was, when y takes its place

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        shape = bottoms[0]
        self.check_shape(len(shape) >= 2, f"input {shape} has {len(shape)} axes", "give 2 or more: num, channels, ...")
        filler = self.param.filler if self.param.HasField("filler") else FillerParameter(type="constant", value=0.25)
        return [Parameter(() if self.param.channel_shared else (shape[1],), filler)]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.before = fitted(self.before, bottom[0]) if bottom[0] is top[0] else None

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.before is not None:
            engine.copy(bottom[0].data_tensor, self.before)
        engine.prelu(bottom[0].data_tensor, self.blobs[0].data_tensor, top[0].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        x = self.before if self.before is not None else bottom[0].data_tensor
        dy, dslope = top[0].diff_tensor, self.gradient(0)
        if dslope is not None:
            engine.prelu_grad_slope(x, dy, dslope)
        if needs[0]:
            engine.prelu_grad_data(x, self.blobs[0].data_tensor, dy, bottom[0].diff_tensor)


@layer("Dropout")
class Dropout(Layer):
    """y = x / (1 - dropout_ratio), or 0 with that probability; in the TEST phase y = x.  (...) -> (...)"""

    def setup(self, config: Any) -> None:
        self.ratio: float = config.dropout_param.dropout_ratio
        self.mask: Tensor | None = None
        self.check(0 <= self.ratio < 1, f"dropout_ratio: {self.ratio:g}", "give 0 or more, but less than 1")

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.training:
            self.mask = fitted(self.mask, top[0], np.float32)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.mask is not None:
            engine.dropout(bottom[0].data_tensor, top[0].data_tensor, self.mask, self.ratio, self.rng)
        elif bottom[0] is not top[0]:
            engine.copy(bottom[0].data_tensor, top[0].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if needs[0] and self.mask is not None:
            engine.dropout_grad(top[0].diff_tensor, self.mask, bottom[0].diff_tensor)
        elif needs[0] and bottom[0] is not top[0]:
            engine.copy(top[0].diff_tensor, bottom[0].diff_tensor)
