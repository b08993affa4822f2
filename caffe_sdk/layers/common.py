"""Layers that compute nothing: inputs, learned blobs, copies and ends."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, Parameter, exactly, layer
from caffe_sdk.memory import Shape
from caffe_sdk.schema.messages import FillerParameter


@layer("Input")
class Input(Layer):
    """Blobs that whoever runs the net fills.  () -> ``shape``, one for all tops or one each"""

    bottoms = exactly(0)
    tops = Arity(1, None)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        given: list[Shape] = [tuple(shape.dim) for shape in self.config.input_param.shape]
        tops = len(self.config.top)
        self.check(
            len(given) in (0, 1, tops),
            f"shape is given {len(given)} times for {tops} tops",
            "give it once, once per top, or never and reshape the blobs",
        )
        return given if len(given) == tops else (given or [()]) * tops

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pass

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        pass


@layer("Parameter")
class LearnedBlob(Layer):
    """A blob that is learned.  () -> ``shape``"""

    bottoms = exactly(0)
    shares_data = True

    def _shape(self) -> Shape:
        return tuple(self.config.parameter_param.shape.dim)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [self._shape()]

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        return [Parameter(self._shape(), FillerParameter(type="constant", value=0))]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].share_data(self.blobs[0])

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pass

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        gradient = self.gradient(0)
        if gradient is not None:
            engine.accumulate(top[0].diff_tensor, gradient)


@layer("Split")
class Split(Layer):
    """Every top is the bottom itself, with a gradient of its own; the gradients add up.  (...) -> (...), (...), ..."""

    tops = Arity(1, None)
    shares_data = True

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for y in top:
            y.share_data(bottom[0])

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pass

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not needs[0]:
            return
        if len(top) == 1:
            engine.copy(top[0].diff_tensor, bottom[0].diff_tensor)
        else:
            engine.add_all([y.diff_tensor for y in top], bottom[0].diff_tensor)


@layer("Silence")
class Silence(Layer):
    """Takes blobs so that they are no outputs of the net; their gradients are 0.  (...), ... ->"""

    bottoms = Arity(1, None)
    tops = exactly(0)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        pass

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for x, needed in zip(bottom, needs, strict=True):
            if needed:
                engine.fill(x.diff_tensor, 0.0)
