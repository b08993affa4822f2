"""Which calls are computed together."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.cuda.fusion import fused
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.memory import Tensor
from tests.engine.cuda.twins import agree, get, simulated, tensors

GEOMETRY = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
SHAPES = {"x": (2, 3, 5, 4), "w": (4, 3, 3, 3), "b": (4,), "y": (2, 4, 5, 4), "z": (2, 4, 5, 4)}


def names(calls):
    return [name for name, _, _ in fused(calls)]


def test_a_relu_in_place_behind_a_convolution_is_part_of_it():
    t, r = tensors(SHAPES), Recorder()
    r.convolution(t["x"], t["w"], t["b"], t["y"], GEOMETRY)
    r.relu(t["y"], t["y"], 0.1)
    r.relu(t["y"], t["y"], 0.1)
    assert names(r.calls) == ["rectified_convolution", "relu"]


def test_a_relu_elsewhere_is_not():
    t, r = tensors(SHAPES), Recorder()
    r.convolution(t["x"], t["w"], t["b"], t["y"], GEOMETRY)
    r.relu(t["y"], t["z"], 0.0)
    r.convolution(t["x"], t["w"], t["b"], t["y"], GEOMETRY)
    part = Tensor(t["y"].memory, (1, 4, 5, 4))
    r.relu(part, part, 0.0)
    r.max_pool(t["x"], t["y"], None, None)
    assert names(r.calls) == ["convolution", "relu", "convolution", "relu", "max_pool"]


def test_both_together_are_what_they_are_one_by_one():
    def calls(engine, t):
        for bias in (t["b"], None):
            for slope in (0.0, 0.2):
                r = Recorder()
                r.convolution(t["x"], t["w"], bias, t["y"], GEOMETRY)
                r.relu(t["y"], t["y"], slope)
                engine.compile(r.calls).run()
                r = Recorder()
                r.inner_product(t["a"], t["v"], t["c"] if bias else None, t["d"], False)
                r.relu(t["d"], t["d"], slope)
                engine.compile(r.calls).run()

    agree({**SHAPES, "a": (3, 5), "v": (4, 5), "c": (4,), "d": (3, 4)}, calls)
    engine = simulated()
    t = tensors({**SHAPES, "a": (3, 5), "v": (4, 5), "c": (4,), "d": (3, 4)})
    calls(engine, t)
    assert engine.device.launches["relu"] == 0
    assert np.any(get(t["d"]) < 0)
