"""Layers that scale and shift along some axes, by what they learn or by a second bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, Parameter, fitted, layer
from caffe_sdk.memory import Shape, Tensor
from caffe_sdk.schema.messages import FillerParameter


class Affine(Layer):
    """What Scale and Bias share: coefficients for the axes of bottom 0 that begin at ``axis``."""

    bottoms = Arity(1, 2)
    in_place = True
    param: Any

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        start, shape = self.place(bottoms)
        met = bottoms[0][start : start + len(shape)]
        self.check_shape(
            met == shape, f"coefficients {shape} for axes {met} of {bottoms[0]} from axis {start} on", f"give {met}"
        )
        return super().shapes(bottoms)

    def place(self, bottoms: Sequence[Shape]) -> tuple[int, Shape]:
        """The first axis that has coefficients, and the coefficients' shape."""
        shape = bottoms[0]
        if len(bottoms) > 1:
            return (self.axis(self.param.axis, len(shape)) if bottoms[1] else 0), bottoms[1]
        if self.param.num_axes == 0:
            return 0, ()
        start = self.axis(self.param.axis, len(shape))
        end = len(shape) if self.param.num_axes == -1 else start + self.param.num_axes
        self.check_shape(
            start <= end <= len(shape), f"num_axes: {self.param.num_axes} from axis {start} on of {shape}", "give fewer"
        )
        return start, shape[start:end]

    def axis_of(self, bottom: Sequence[Blob]) -> int:
        """The first axis that has coefficients."""
        start, _ = self.place([blob.shape for blob in bottom])
        return start


@layer("Scale")
class Scale(Affine):
    """y = scale x + bias, the coefficients repeated along the other axes.  (...), [scale (...)] -> (...)

    Scale is learned (it begins with 1 if there is no filler) unless it is the second bottom; the bias, with
    ``bias_term``, always is.
    """

    def setup(self, config: Any) -> None:
        self.param = config.scale_param
        self.learned = len(config.bottom) == 1
        self.before: Tensor | None = None  # what x was, when y takes its place

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        _, shape = self.place(bottoms)
        filler = self.param.filler if self.param.HasField("filler") else FillerParameter(type="constant", value=1)
        scale = [Parameter(shape, filler)] if self.learned else []
        return [*scale, Parameter(shape, self.param.bias_filler)] if self.param.bias_term else scale

    def _scale(self, bottom: Sequence[Blob]) -> Tensor:
        return self.blobs[0].data_tensor if self.learned else bottom[1].data_tensor

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.before = fitted(self.before, bottom[0]) if bottom[0] is top[0] else None

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.before is not None:
            engine.copy(bottom[0].data_tensor, self.before)
        shift, axis = self.parameter(int(self.learned)), self.axis_of(bottom)
        engine.affine(bottom[0].data_tensor, self._scale(bottom), shift, top[0].data_tensor, axis)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        x = self.before if self.before is not None else bottom[0].data_tensor
        dy, axis = top[0].diff_tensor, self.axis_of(bottom)
        dshift, dscale = self.gradient(int(self.learned)), self.gradient(0) if self.learned else None
        if dshift is not None:
            engine.affine_grad_shift(dy, dshift, axis)
        if not self.learned and needs[1]:
            dscale = bottom[1].diff_tensor
            engine.fill(dscale, 0.0)  # diffs of bottoms are overwritten, those of parameters added to
        if dscale is not None:
            engine.affine_grad_scale(x, dy, dscale, axis)
            if not needs[0] and bottom[0] is not top[0] and dscale.count != bottom[0].count:
                engine.product([x, dy], bottom[0].diff_tensor)  # what Caffe leaves in a diff nobody asked for
        if needs[0]:  # last: dx may take dy's place
            engine.affine_grad_data(dy, self._scale(bottom), bottom[0].diff_tensor, axis)


@layer("Bias")
class Bias(Affine):
    """y = x + bias, the bias repeated along the other axes.  (...), [bias (...)] -> (...)

    The bias is learned unless it is the second bottom.
    """

    def setup(self, config: Any) -> None:
        self.param = config.bias_param
        self.learned = len(config.bottom) == 1

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        return [Parameter(self.place(bottoms)[1], self.param.filler)] if self.learned else []

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shift = self.blobs[0].data_tensor if self.learned else bottom[1].data_tensor
        engine.affine(bottom[0].data_tensor, None, shift, top[0].data_tensor, self.axis_of(bottom))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dy, dshift = top[0].diff_tensor, self.gradient(0)
        if not self.learned and needs[1]:
            dshift = bottom[1].diff_tensor
            engine.fill(dshift, 0.0)
        if dshift is not None:
            engine.affine_grad_shift(dy, dshift, self.axis_of(bottom))
        if needs[0] and bottom[0] is not top[0]:
            engine.copy(dy, bottom[0].diff_tensor)
