"""Normalizations by what is known that become part of a convolution's weights.

A normalization behind a convolution multiplies each of its channels by one number and adds another, if its statistics
are those of training: so can weights and a bias, once, for all runs until any of them changes.
"""

from __future__ import annotations

import math

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.work import Work
from caffe_sdk.errors import CaffeError
from caffe_sdk.memory import SyncedMemory, Tensor, new_tensor

STATISTICS = ("mean", "variance", "weight")


def sources_of(weight: Tensor, bias: Tensor | None, norm: Work) -> set[SyncedMemory]:
    """What weights and a bias would be made of."""
    parts = [norm.arguments.get(name) for name in (*STATISTICS, "scale", "shift")]
    return {tensor.memory for tensor in (weight, bias, *parts) if tensor is not None}


class Folding:
    """Weights and a bias, made of others and of what a normalization, a Scale, or both, know of each channel."""

    def __init__(self, weight: Tensor, bias: Tensor | None, norm: Work, where: str) -> None:
        """``norm`` is a batch_norm_global, perhaps with ``scale`` and ``shift``, or an affine."""
        self._weight, self._bias, self._norm, self._where = weight, bias, norm, where
        self.weight, self.bias = new_tensor(weight.shape), new_tensor(weight.shape[:1])
        self._stale = True

    @property
    def sources(self) -> set[SyncedMemory]:
        """What they are made of."""
        return sources_of(self._weight, self._bias, self._norm)

    def before_change(self, memory: SyncedMemory) -> None:
        """They have to be made anew."""
        self._stale = True

    def refresh(self, engine: CudaBase) -> None:
        """Make them on a device, unless they are what they should be."""
        if not self._stale:
            return
        self._stale = False
        for memory in self.sources:
            memory.watch(self)
        try:
            self._make(engine)
        except CaffeError as error:
            self._stale = True
            raise error.at(self._where) from None

    def _make(self, engine: CudaBase) -> None:
        norm, means, deviation = self._norm.arguments, 0, 0
        if "mean" in norm:
            means, deviation = (engine.scratch(use, self.bias.count) for use in ("means", "deviations"))
            running = [engine.source(norm[name]) for name in STATISTICS]
            engine.launch("global_statistics", self.bias.count, *running, means, deviation, 0, norm["eps"])
        given = self._weight, self._bias, norm.get("scale"), norm.get("shift")
        weight, bias, scale, shift = map(engine.source, given)
        made = engine.target(self.weight), engine.target(self.bias)
        each = math.prod(self.weight.shape[1:])
        engine.launch("fold", self.weight.count, weight, bias, means, deviation, scale, shift, *made, each)
