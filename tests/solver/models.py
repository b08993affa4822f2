"""Solvers small enough for tests: a linear classifier that is fed by hand, and a digit classifier fed by a LevelDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from caffe_sdk.data import datum
from caffe_sdk.data.databases import create_database
from caffe_sdk.solver import Options, Solver, get_solver

LINEAR = """
name: "linear"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "scores"
        param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
        inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "scores" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" loss_weight: 0.5 }
"""

DIGITS = """
name: "digits"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        transform_param { crop_size: 8 mirror: true scale: 0.0039 } data_param { source: "digits" batch_size: 5 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { crop_size: 8 scale: 0.0039 } data_param { source: "digits" batch_size: 4 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""

SGD = 'net: "net.prototxt" base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" random_seed: 3 '
TESTED = "test_iter: 2 test_interval: 4 "


def write(folder: Path, solver: str, net: str = LINEAR) -> Path:
    """A solver file and its net.prototxt in a folder."""
    (folder / "net.prototxt").write_text(net)
    path = folder / "solver.prototxt"
    path.write_text(solver)
    return path


def write_digits(folder: Path, count: int = 23) -> None:
    """A LevelDB of random pictures, 10x10."""
    generator = np.random.default_rng(5)
    with create_database(folder / "digits", "LEVELDB") as writer:
        for i in range(count):
            picture = generator.integers(0, 256, (1, 10, 10), np.uint8)
            writer.put(b"%08d" % i, datum.encode(picture, i % 10))


def linear(folder: Path, solver: str, options: Options | None = None) -> Solver:
    """The linear classifier's solver, with the same data in train and test nets."""
    made = get_solver(write(folder, solver), options)
    generator = np.random.default_rng(1)
    data = generator.standard_normal((4, 3))
    for net in (made.net, *made.test_nets):
        net.blobs["data"].data[...] = data
        net.blobs["label"].data[...] = [0, 1, 2, 3]
    return made


def weights(solver: Solver) -> list[Any]:
    """Copies of all parameters."""
    return [np.array(blob.data) for blobs in solver.net.params.values() for blob in blobs]


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    """Bit for bit."""
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
