"""The nets that speed is measured on, written with NetSpec from the papers' tables.

Each function gives the NetParameter of a net of ``batch`` images. For inference it ends in a Softmax; with ``train`` it
has labels and ends in a SoftmaxWithLoss, and dropout acts. Inputs are Input layers, so no time goes into data. Weights
begin with a variance that keeps activations at a size, however deep the net.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffe_sdk.net_spec import NetSpec
from caffe_sdk.net_spec import layers as L
from caffe_sdk.net_spec import params as P

FILLER = {"type": "msra"}
CLASSES = 1000


def _begin(batch: int, channels: int, size: int, train: bool) -> NetSpec:
    n = NetSpec()
    n.data = L.Input(shape={"dim": [batch, channels, size, size]})
    if train:
        n.label = L.Input(shape={"dim": [batch]})
    return n


def _end(n: NetSpec, scores: Any, train: bool) -> Any:
    if train:
        n.loss = L.SoftmaxWithLoss(scores, n.label)
    else:
        n.prob = L.Softmax(scores)
    return n.to_proto()


def _convolution(n: NetSpec, name: str, x: Any, outputs: int, kernel: int, **more: Any) -> Any:
    """A convolution and its ReLU, in place."""
    y = n[name] = L.Convolution(x, num_output=outputs, kernel_size=kernel, weight_filler=FILLER, **more)
    n[f"relu_{name}"] = L.ReLU(y, in_place=True)
    return y


def _dense(n: NetSpec, name: str, x: Any, outputs: int) -> Any:
    y = n[name] = L.InnerProduct(x, num_output=outputs, weight_filler=FILLER)
    return y


def _hidden(n: NetSpec, name: str, x: Any, outputs: int) -> Any:
    """An inner product with ReLU and dropout, in place."""
    y = _dense(n, name, x, outputs)
    n[f"relu_{name}"] = L.ReLU(y, in_place=True)
    n[f"drop_{name}"] = L.Dropout(y, in_place=True, dropout_ratio=0.5)
    return y


def _pool(n: NetSpec, name: str, x: Any, kernel: int, stride: int, pool: int = P.Pooling.MAX, pad: int = 0) -> Any:
    y = n[name] = L.Pooling(x, pool=pool, kernel_size=kernel, stride=stride, pad=pad)
    return y


def lenet(batch: int, train: bool = False) -> Any:
    """LeCun and others, 1998, as Caffe's example has it: 28 by 28 images of one channel, 10 classes."""
    n = _begin(batch, 1, 28, train)
    x = n.data
    for i, outputs in enumerate((20, 50), 1):
        n[f"conv{i}"] = L.Convolution(x, num_output=outputs, kernel_size=5, weight_filler=FILLER)
        x = _pool(n, f"pool{i}", n[f"conv{i}"], 2, 2)
    x = _dense(n, "ip1", x, 500)
    n.relu1 = L.ReLU(x, in_place=True)
    return _end(n, _dense(n, "ip2", x, 10), train)


def caffenet(batch: int, train: bool = False) -> Any:
    """Krizhevsky and others, 2012, with pooling before normalization as Caffe's reference model has it."""
    n = _begin(batch, 3, 227, train)
    x = _convolution(n, "conv1", n.data, 96, 11, stride=4)
    x = n.norm1 = L.LRN(_pool(n, "pool1", x, 3, 2), local_size=5, alpha=1e-4, beta=0.75)
    x = _convolution(n, "conv2", x, 256, 5, pad=2, group=2)
    x = n.norm2 = L.LRN(_pool(n, "pool2", x, 3, 2), local_size=5, alpha=1e-4, beta=0.75)
    x = _convolution(n, "conv3", x, 384, 3, pad=1)
    x = _convolution(n, "conv4", x, 384, 3, pad=1, group=2)
    x = _convolution(n, "conv5", x, 256, 3, pad=1, group=2)
    x = _hidden(n, "fc6", _pool(n, "pool5", x, 3, 2), 4096)
    x = _hidden(n, "fc7", x, 4096)
    return _end(n, _dense(n, "fc8", x, CLASSES), train)


def vgg16(batch: int, train: bool = False) -> Any:
    """Simonyan and Zisserman, 2014, configuration D."""
    n = _begin(batch, 3, 224, train)
    x = n.data
    for i, (outputs, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for j in range(1, count + 1):
            x = _convolution(n, f"conv{i}_{j}", x, outputs, 3, pad=1)
        x = _pool(n, f"pool{i}", x, 2, 2)
    x = _hidden(n, "fc6", x, 4096)
    x = _hidden(n, "fc7", x, 4096)
    return _end(n, _dense(n, "fc8", x, CLASSES), train)


INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Outputs of each module of GoogLeNet: 1x1; 3x3 after a reduction; 5x5 after a reduction; 1x1 after pooling."""


def googlenet(batch: int, train: bool = False) -> Any:
    """Szegedy and others, 2014, without the two auxiliary classifiers."""
    n = _begin(batch, 3, 224, train)
    x = _convolution(n, "conv1", n.data, 64, 7, stride=2, pad=3)
    x = n.norm1 = L.LRN(_pool(n, "pool1", x, 3, 2), local_size=5, alpha=1e-4, beta=0.75)
    x = _convolution(n, "conv2_reduce", x, 64, 1)
    x = _convolution(n, "conv2", x, 192, 3, pad=1)
    n.norm2 = L.LRN(x, local_size=5, alpha=1e-4, beta=0.75)
    x = _pool(n, "pool2", n.norm2, 3, 2)
    for name, sizes in INCEPTIONS.items():
        x = _inception(n, f"inception_{name}", x, *sizes)
        if name in ("3b", "4e"):
            x = _pool(n, f"pool{name[0]}", x, 3, 2)
    n.pool5 = _pool(n, "pool5", x, 7, 1, P.Pooling.AVE)
    n.drop5 = L.Dropout(n.pool5, in_place=True, dropout_ratio=0.4)
    return _end(n, _dense(n, "classifier", n.pool5, CLASSES), train)


def _inception(
    n: NetSpec, name: str, x: Any, one: int, reduce3: int, three: int, reduce5: int, five: int, p: int
) -> Any:
    branches = [
        _convolution(n, f"{name}_1x1", x, one, 1),
        _convolution(n, f"{name}_3x3", _convolution(n, f"{name}_3x3_reduce", x, reduce3, 1), three, 3, pad=1),
        _convolution(n, f"{name}_5x5", _convolution(n, f"{name}_5x5_reduce", x, reduce5, 1), five, 5, pad=2),
        _convolution(n, f"{name}_proj", _pool(n, f"{name}_pool", x, 3, 1, pad=1), p, 1),
    ]
    y = n[name] = L.Concat(*branches)
    return y


def resnet50(batch: int, train: bool = False) -> Any:
    """He and others, 2015: BatchNorm and Scale after each convolution, the stride in a block's first convolution."""
    n = _begin(batch, 3, 224, train)
    x = _normalized(n, "conv1", n.data, 64, 7, stride=2, pad=3)
    x = _pool(n, "pool1", _rectified(n, "conv1", x), 3, 2)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 2 else 1
            x = _bottleneck(n, f"{stage}{'abcdef'[block]}", x, width, stride, project=block == 0)
    x = _pool(n, "pool5", x, 7, 1, P.Pooling.AVE)
    return _end(n, _dense(n, "fc1000", x, CLASSES), train)


def _normalized(n: NetSpec, name: str, x: Any, outputs: int, kernel: int, **more: Any) -> Any:
    """A convolution without bias, BatchNorm and Scale, in place."""
    y = n[name] = L.Convolution(
        x, num_output=outputs, kernel_size=kernel, bias_term=False, weight_filler=FILLER, **more
    )
    n[f"bn_{name}"] = L.BatchNorm(y, in_place=True)
    n[f"scale_{name}"] = L.Scale(y, in_place=True, bias_term=True)
    return y


def _rectified(n: NetSpec, name: str, x: Any) -> Any:
    n[f"relu_{name}"] = L.ReLU(x, in_place=True)
    return x


def _bottleneck(n: NetSpec, name: str, x: Any, width: int, stride: int, project: bool) -> Any:
    shortcut = _normalized(n, f"res{name}_1", x, 4 * width, 1, stride=stride) if project else x
    y = _rectified(n, f"res{name}_2a", _normalized(n, f"res{name}_2a", x, width, 1, stride=stride))
    y = _rectified(n, f"res{name}_2b", _normalized(n, f"res{name}_2b", y, width, 3, pad=1))
    y = _normalized(n, f"res{name}_2c", y, 4 * width, 1)
    total = n[f"res{name}"] = L.Eltwise(shortcut, y)
    return _rectified(n, f"res{name}", total)


FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}
"""Outputs of each module of SqueezeNet: of the reduction, and of each of the two convolutions after it."""


def squeezenet(batch: int, train: bool = False) -> Any:
    """Iandola and others, 2016, version 1.0; its classes are averages over the last convolution's maps."""
    n = _begin(batch, 3, 227, train)
    x = _pool(n, "pool1", _convolution(n, "conv1", n.data, 96, 7, stride=2), 3, 2)
    for i, (reduce, outputs) in FIRES.items():
        squeezed = _convolution(n, f"fire{i}_squeeze", x, reduce, 1)
        one = _convolution(n, f"fire{i}_1x1", squeezed, outputs, 1)
        x = n[f"fire{i}"] = L.Concat(one, _convolution(n, f"fire{i}_3x3", squeezed, outputs, 3, pad=1))
        if i in (4, 8):
            x = _pool(n, f"pool{i}", x, 3, 2)
    n.drop9 = L.Dropout(x, in_place=True, dropout_ratio=0.5)
    x = _convolution(n, "conv10", x, CLASSES, 1, pad=1)
    return _end(n, _pool(n, "pool10", x, 15, 1, P.Pooling.AVE), train)


NETS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (lenet, caffenet, googlenet, vgg16, resnet50, squeezenet)}
"""The nets by name."""
