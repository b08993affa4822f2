"""The loss scale of a training, where its engine asks for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from caffe_sdk.engine import Engine
from caffe_sdk.engine.scaling import LossScale
from caffe_sdk.memory import Tensor
from caffe_sdk.net import Net


class Scaling:
    """The loss scale that belongs to the engine of a net, whichever that is."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._engine: Engine | None = None
        self._scale: LossScale | None = None

    @property
    def scale(self) -> LossScale | None:
        """What scales; None where nothing does."""
        if self._engine is not self._net.engine:
            self._engine = self._net.engine
            self._scale = self._engine.loss_scale()
        return self._scale

    def backward(self) -> AbstractContextManager[None]:
        """Where the net runs backward, when the loss is known: so what the last update found is known too."""
        scale = self.scale
        if scale is None:
            return nullcontext()
        scale.judge()
        return scale.applied()

    def check(self, gradients: Sequence[Tensor]) -> Tensor | None:
        """A number unless which updates may be made; None where nothing can overflow, or nobody looks for it."""
        return self.scale.check(gradients) if self.scale is not None else None

    def state(self) -> dict[str, float] | None:
        """What a resume record keeps."""
        if self.scale is None:
            return None
        self.scale.judge()
        return self.scale.state()

    def restore(self, state: Mapping[str, float] | None) -> None:
        """Go on from there, if there is anything to go on from."""
        if self.scale is not None and state is not None:
            self.scale.restore(state)
