"""What the examples share: handwritten digits as databases, LeNet in NetSpec, and solvers from a few words.

The digits are scikit-learn's, 1,797 of them, drawn at 28x28 like those of MNIST.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # pictures go to files

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import params as P
from caffe_sdk.data.digits import read_digits, split, write_digits
from caffe_sdk.proto import caffe_pb2

SCALE = 1 / 255


def options(about: str | None, iterations: int) -> argparse.Namespace:
    """The flags that every example has."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example-output"), help="where to put things")
    parser.add_argument("--iterations", type=int, default=iterations, help="how long to train (default: %(default)s)")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    caffe.init_log(2)
    caffe.set_random_seed(1)
    return given


def databases(folder: Path) -> tuple[str, str]:
    """Paths of a training and a test database."""
    return write_digits(folder, "lmdb", overwrite=True)


def test_digits() -> tuple[Any, Any]:
    """The digits to be tested with, (n, 1, 28, 28) from 0 to 1, and their labels."""
    images, labels = read_digits()
    _, places = split(labels, seed=0)
    return images[places] * np.float32(SCALE), labels[places]


def data(source: str, batch_size: int) -> Any:
    """Images and labels from a database."""
    return L.Data(source=source, backend=P.Data.LMDB, batch_size=batch_size, transform_param={"scale": SCALE}, ntop=2)


def lenet(n: caffe.NetSpec, top: Any, classes: int = 10, last: str = "ip2") -> Any:
    """Add LeNet's layers on top of images; gives the scores, a layer called ``last``."""
    filler = {"weight_filler": {"type": "xavier"}}
    n.conv1 = L.Convolution(top, kernel_size=5, num_output=20, **filler)
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50, **filler)
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool2, num_output=500, **filler)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n[last] = L.InnerProduct(n.relu1, num_output=classes, **filler)
    return n[last]


def classifying(source: str, batch_size: int) -> Any:
    """LeNet that learns from a database, or is tested with it."""
    n = caffe.NetSpec()
    n.data, n.label = data(source, batch_size)
    scores = lenet(n, n.data)
    n.accuracy = L.Accuracy(scores, n.label)
    n.loss = L.SoftmaxWithLoss(scores, n.label)
    return n.to_proto()


def deploy(batch_size: int = 1) -> Any:
    """LeNet that is given images."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [batch_size, 1, 28, 28]})
    n.prob = L.Softmax(lenet(n, n.data))
    return n.to_proto()


def save(path: Path, message: Any) -> str:
    """Write a description to a prototxt; gives its path."""
    path.write_text(str(message))
    return str(path)


def solver(folder: Path, train: Any, test: Any = None, **fields: Any) -> Any:
    """A solver of these nets; ``fields`` are those of its description."""
    param = caffe_pb2.SolverParameter(train_net=save(folder / "train.prototxt", train), lr_policy="fixed")
    if test is not None:
        param.test_net.append(save(folder / "test.prototxt", test))
        param.test_iter.append(1)
        param.test_interval = 500  # the first test is before the first step; from then on both nets share weights
    for name, value in {"base_lr": 0.01, "momentum": 0.9, **fields}.items():
        setattr(param, name, value)
    return caffe.get_solver(save(folder / "solver.prototxt", param))


def trained(folder: Path, iterations: int) -> tuple[str, str]:
    """LeNet, trained: the paths of its deploy.prototxt and weights."""
    train, _ = databases(folder)
    with solver(folder, classifying(train, 64)) as learning:
        learning.step(iterations)
        weights = folder / "lenet.caffemodel"
        learning.net.save(str(weights))
    return save(folder / "deploy.prototxt", deploy()), str(weights)


def tiles(maps: Any) -> Any:
    """Maps (n, height, width), or images (n, height, width, 3), side by side in a square, from 0 to 1."""
    maps = (maps - maps.min()) / (np.ptp(maps) or 1)
    side = int(np.ceil(np.sqrt(len(maps))))
    pad = [(0, side**2 - len(maps)), (0, 1), (0, 1)] + [(0, 0)] * (maps.ndim - 3)
    maps = np.pad(maps, pad, constant_values=1)
    height, width = maps.shape[1:3]
    rows = maps.reshape(side, side, *maps.shape[1:]).swapaxes(1, 2)
    return rows.reshape(side * height, side * width, *maps.shape[3:])


def figure(path: Path, *panels: tuple[str, Any]) -> None:
    """Save a figure of several panels: pictures, or lines as {name: numbers}."""
    picture, axes = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 4), squeeze=False)
    for axis, (title, content) in zip(axes[0], panels, strict=True):
        axis.set_title(title)
        if isinstance(content, dict):
            for name, numbers in content.items():
                axis.plot(numbers, label=name)
            axis.legend()
        else:
            axis.imshow(content, cmap="gray")
            axis.axis("off")
    picture.tight_layout()
    picture.savefig(path)
    plt.close(picture)
    print(f"picture   {path}")


def photo(path: Path, grey: Any) -> str:
    """Save a picture (height, width) from 0 to 1 as an image file; gives its path."""
    Image.fromarray(np.round(255 * np.clip(grey, 0, 1)).astype(np.uint8)).save(path)
    return str(path)
