"""A layer whose data are arrays that the user hands over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.errors import ArgumentError, DataError
from caffe_sdk.layers.base import Layer, exactly, layer
from caffe_sdk.memory import HOST, Array, Shape


@layer("MemoryData")
class MemoryData(Layer):
    """Batches of arrays given to `reset`, one after the other.  () -> (n, c, h, w), labels (n,), later (n, 1, 1, 1)

    After the last batch comes the first again. The arrays are not copied: what is written into them later is seen.
    """

    bottoms = exactly(0)
    tops = exactly(2)
    on_host = True

    def setup(self, config: Any) -> None:
        param = config.memory_data_param
        self.shape: Shape = (param.batch_size, param.channels, param.height, param.width)
        self.check(all(self.shape), f"batch {self.shape} has an axis of 0", "give batch_size, channels, height, width")
        self.data: Array | None = None
        self.labels: Array | None = None
        self.position = 0

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [self.shape, self.shape[:1]]

    def reset(self, data: Any, labels: Any) -> None:
        """Begin with these arrays: float32, data (items, c, h, w) and labels (items, 1, 1, 1), in row order.

        Raises ArgumentError, in pycaffe's words, for arrays that are not so or hold no whole number of batches.
        """
        self._check_array("data array", data, self.shape[1:])
        self._check_array("labels array", labels, (1, 1, 1))
        self._check(len(data) == len(labels), "data and labels must have the same first dimension", data, labels)
        whole = len(data) > 0 and len(data) % self.shape[0] == 0
        self._check(whole, "first dimensions of input arrays must be a multiple of batch size", data, self.shape)
        self.data, self.labels, self.position = data, labels, 0

    def _check_array(self, name: str, array: Any, shape: Shape) -> None:
        is_array = isinstance(array, np.ndarray)
        self._check(is_array and array.dtype == np.float32, f"{name} must be float32", array)
        self._check(array.flags.c_contiguous, f"{name} must be C contiguous", array)
        self._check(array.ndim == 4, f"{name} must be 4-d", array)
        for axis, words in enumerate(("number of channels", "height", "width")):
            self._check(array.shape[axis + 1] == shape[axis], f"{name} has wrong {words}", array, shape)

    def _check(self, holds: bool, rule: str, *values: Any) -> None:
        if not holds:
            given = " and ".join(_described(value) for value in values)
            raise ArgumentError(self.where, f"{rule}: {given}", "see numpy.ascontiguousarray and reshape")

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.data is None or self.labels is None:
            raise DataError(self.where, "has no arrays yet", "call net.set_input_arrays(data, labels) first")
        end = self.position + self.shape[0]
        for blob, array, shape in ((top[0], self.data, self.shape), (top[1], self.labels, (self.shape[0], 1, 1, 1))):
            blob.reshape(*shape)
            blob.data_memory.write(HOST)[...] = array[self.position : end].reshape(-1)
        self.position = end % len(self.data)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {"position": self.position}

    def restore_state(self, state: dict[str, Any]) -> None:
        position = state["position"]
        self.position = position if self.data is not None and position < len(self.data) else 0


def _described(value: Any) -> str:
    """A value as errors show it: an array by shape and type."""
    return f"{value.shape} of {value.dtype}" if isinstance(value, np.ndarray) else str(value)[:80]
