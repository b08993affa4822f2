"""One trained caffemodel gives the same probabilities through every door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.data.databases import open_database
from caffe_sdk.data.datum import parse
from caffe_sdk.data.digits import write_digits
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from tests.doors import doors

DEPLOY = Path(caffe.__file__).parent / "models" / "lenet" / "lenet_deploy.prototxt"
DIGITS = 100

NET = """
layer { name: "mnist" type: "Data" top: "data" top: "label" transform_param { scale: 0.00390625 }
        data_param { source: "%s" batch_size: 64 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 50 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
        inner_product_param { num_output: 500 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
SOLVER = 'base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" max_iter: 100 random_seed: 1 train_net_param { %s }'


def test_the_same_probabilities_through_every_door(tmp_path: Path) -> None:
    train, test = write_digits(tmp_path)
    solver = caffe.SGDSolver(prototxt.parse(SOLVER % (NET % train), SolverParameter))
    solver.step(100)
    weights = tmp_path / "lenet.caffemodel"
    solver.net.save(weights)
    with open_database(test) as database:
        records = [parse(value) for _, value in database.items()][:DIGITS]
        images = np.stack([record.array for record in records]).astype(np.float32) * np.float32(0.00390625)

    python = doors.python_probabilities(DEPLOY, weights, images)
    others = {
        "command line": doors.cli_probabilities(DEPLOY, weights, images),
        "gRPC": doors.grpc_probabilities(DEPLOY, weights, images),
        "Octave": doors.octave_probabilities(DEPLOY, weights, images),
    }
    assert python.shape == (DIGITS, 10)
    assert np.mean(python.argmax(1) == [record.label for record in records]) > 0.9
    for door, probabilities in others.items():
        assert np.abs(probabilities - python).max() == pytest.approx(0, abs=1e-6), door
