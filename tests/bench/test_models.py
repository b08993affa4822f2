"""The nets that are measured are those of the papers: their layers, outputs, parameters and multiply-adds."""

from __future__ import annotations

import math

import pytest

from caffe_sdk.graph import build
from caffe_sdk.rng import spawn
from caffe_sdk.schema.messages import TEST, TRAIN
from tests.bench.models import NETS

MILLIONS = {
    "lenet": 0.431,
    "caffenet": 60.97,
    "googlenet": 7.0,
    "vgg16": 138.36,
    "resnet50": 25.61,
    "squeezenet": 1.248,
}
"""Parameters, in millions; ResNet's with the statistics of its normalizations."""


@pytest.mark.parametrize("name", NETS)
def test_size(name):
    graph = build(NETS[name](2), TEST, 0, (), spawn())
    shape = graph.blobs[graph.outputs[0]].shape
    assert shape[:2] == (2, 10 if name == "lenet" else 1000)
    assert math.prod(shape[2:]) == 1
    parameters = sum(math.prod(p.shape) for p in graph.parameters)
    assert parameters / 1e6 == pytest.approx(MILLIONS[name], rel=2e-3)


@pytest.mark.parametrize("name", NETS)
def test_training_has_a_loss(name):
    graph = build(NETS[name](2, train=True), TRAIN, 0, (), spawn())
    assert [graph.blobs[i].name for i in graph.outputs] == ["loss"]
    assert [graph.blobs[i].name for i in graph.inputs] == ["data", "label"]
