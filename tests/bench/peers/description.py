"""A net in words of its own: one operation after another on values that are written once.

Caffe's layers may work in place and split normalization in two. Other programs know neither, so here every operation
makes a new value, BatchNorm and Scale are one operation, and Dropout is left out or named, as the reader wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.net import Net
from caffe_sdk.net_spec import params as P

Weights = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Operation:
    """``output = kind(*inputs)``, with numbers that say how and the names of the weights it needs."""

    kind: str
    output: str
    inputs: tuple[str, ...]
    weights: tuple[str, ...] = ()
    how: dict[str, Any] = field(default_factory=dict)


class Description:
    """The operations of a net in order, their weights by name, and the value that is the net's result."""

    def __init__(self, net: Net, param: Any) -> None:
        self.operations: list[Operation] = []
        self.weights: Weights = {}
        self._net = net
        self._values = {name: name for name in net.inputs}
        for layer in param.layer:
            if layer.type != "Input":
                READERS[layer.type](self, layer)
        self.result = self.operations[-1].output

    def add(self, kind: str, layer: Any, weights: int = 0, **how: Any) -> None:
        """An operation on the layer's bottoms, which makes its top, with so many of its parameters."""
        names = tuple(f"{layer.name}/{i}" for i in range(weights))
        for i, name in enumerate(names):
            self.weights[name] = self._net.params[layer.name][i].data.copy()
        inputs = tuple(self._values[bottom] for bottom in layer.bottom)
        self._values[layer.top[0]] = layer.name
        self.operations.append(Operation(kind, layer.name, inputs, names, how))

    def shape(self, blob: str) -> list[int]:
        """The shape of a blob of the net."""
        return list(self._net.blobs[blob].shape)

    def normalization(self, layer: Any) -> None:
        """A BatchNorm, whose stored statistics are sums with a count; its Scale is still to come."""
        mean, variance, count = (blob.data for blob in self._net.params[layer.name])
        self.add("batch_norm", layer, epsilon=layer.batch_norm_param.eps)
        names = tuple(f"{layer.name}/{what}" for what in ("scale", "shift", "mean", "variance"))
        ones, part = np.ones_like(mean), 1 / count if count else 0 * count
        self.weights.update(zip(names, (ones, 0 * ones, part * mean, part * variance), strict=True))
        self._replace_last(weights=names)

    def scale(self, layer: Any) -> None:
        """A Scale, which must come right after a BatchNorm."""
        last = self.operations[-1]
        if last.kind != "batch_norm" or self._values[layer.bottom[0]] != last.output:
            raise ValueError(f"{layer.name}: a Scale that follows no BatchNorm")
        for name, blob in zip(last.weights, self._net.params[layer.name], strict=False):
            self.weights[name] = blob.data.copy()
        self._values[layer.top[0]] = last.output

    def _replace_last(self, **changes: Any) -> None:
        last = self.operations[-1]
        self.operations[-1] = Operation(**{**vars(last), **changes})


def _window(param: Any, default_stride: int = 1) -> dict[str, int]:
    """Kernel, stride and pad of square windows, as convolutions (lists) and poolings (numbers) have them."""

    def one(value: Any, otherwise: int) -> int:
        return int(value) if isinstance(value, int) else int(value[0]) if value else otherwise

    return {
        "kernel": one(param.kernel_size, 0),
        "stride": one(param.stride, default_stride),
        "pad": one(param.pad, 0),
    }


def _convolution(to: Description, layer: Any) -> None:
    param = layer.convolution_param
    to.add("convolution", layer, 1 + param.bias_term, group=param.group, **_window(param))


def _pooling(to: Description, layer: Any) -> None:
    param = layer.pooling_param
    kind = "max_pool" if param.pool == P.Pooling.MAX else "average_pool"
    window = _window(param)
    size, pooled = to.shape(layer.bottom[0])[2], to.shape(layer.top[0])[2]
    covered = (pooled - 1) * window["stride"] + window["kernel"]
    to.add(kind, layer, **window, end=max(0, covered - size - window["pad"]))


def _lrn(to: Description, layer: Any) -> None:
    param = layer.lrn_param
    to.add("lrn", layer, size=param.local_size, alpha=param.alpha, beta=param.beta, k=param.k)


def _dense(to: Description, layer: Any) -> None:
    to.add("dense", layer, 1 + layer.inner_product_param.bias_term)


def _plain(kind: str) -> Callable[[Description, Any], None]:
    return lambda to, layer: to.add(kind, layer)


READERS: dict[str, Callable[[Description, Any], None]] = {
    "Convolution": _convolution,
    "Pooling": _pooling,
    "LRN": _lrn,
    "InnerProduct": _dense,
    "BatchNorm": Description.normalization,
    "Scale": Description.scale,
    "Dropout": lambda to, layer: to.add("dropout", layer, ratio=layer.dropout_param.dropout_ratio),
    "ReLU": _plain("relu"),
    "Eltwise": _plain("add"),
    "Concat": _plain("concat"),
    "Softmax": _plain("softmax"),
    "SoftmaxWithLoss": _plain("loss"),
}
"""What each type of layer becomes."""
