"""Which calls are computed together."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16
from caffe_sdk.engine.cuda.fusion import fused
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.memory import Tensor
from tests.engine.cuda.twins import agree, get, simulated, tensors

GEOMETRY = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
SHAPES = {"x": (2, 3, 5, 4), "w": (4, 3, 3, 3), "b": (4,), "y": (2, 4, 5, 4), "z": (2, 4, 5, 4)}


def names(calls):
    return [step.means for step in fused(calls)]


def test_a_relu_in_place_behind_a_convolution_is_part_of_it():
    t, r = tensors(SHAPES), Recorder()
    r.convolution(t["x"], t["w"], t["b"], t["y"], GEOMETRY)
    r.relu(t["y"], t["y"], 0.1)
    r.relu(t["y"], t["y"], 0.1)
    assert names(r.calls) == ["finished_convolution", "relu"]


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


NORM = {"x": (3, 4, 5, 2), "y": (3, 4, 5, 2), "n": (3, 4, 5, 2), "k": (3, 4, 5, 2), "w": (1,)}
NORM |= dict.fromkeys(("d", "m", "v", "s", "h"), (4,))
POSITIVE = {"w": [2.0], "v": [1.0, 2.0, 3.0, 4.0]}


def normalized(r, t, stored, y="y"):
    if stored:
        r.batch_norm_global(t["x"], t[y], t["d"], t["m"], t["v"], t["w"], 1e-3)
    else:
        r.batch_norm(t["x"], t[y], t["n"], t["d"], t["m"], t["v"], t["w"], 1e-3, 0.9)


@pytest.mark.parametrize("y", ["x", "y"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("stored", [True, False])
def test_a_scale_and_a_relu_behind_a_normalization_are_part_of_it(stored, kept, y):
    def calls(engine, t):
        for scale, shift in ((t["s"], t["h"]), (t["s"], None), (None, t["h"])):
            for slope in (0.0, 0.2, None):
                r = Recorder()
                normalized(r, t, stored, y)
                if kept:
                    r.copy(t[y], t["k"])
                r.affine(t[y], scale, shift, t[y], 1)
                if slope is not None:
                    r.relu(t[y], t[y], slope)
                assert names(r.calls) == ["scaled_batch_norm_global" if stored else "scaled_batch_norm"]
                engine.compile(r.calls).run()

    agree(NORM, calls, tolerance=5e-5, given=POSITIVE)
    engine = simulated()
    t = tensors(NORM)
    calls(engine, t)
    assert engine.device.launches["affine"] == engine.device.launches["relu"] == 0


def test_other_scales_are_not():
    t = tensors(NORM | {"a": (5,), "c": (3,), "z": (3, 4, 5, 2)})
    half, flat = Tensor(t["y"].memory, (1, 4, 5, 2)), Tensor(t["y"].memory, (3, 2, 10, 2))
    for x, scale, y, axis in (
        ("y", "s", "z", 1),  # not in place
        ("y", "a", "y", 2),  # not by channel
        ("y", "c", "y", 0),
        ("x", "s", "x", 1),  # of something else
    ):
        r = Recorder()
        normalized(r, t, True)
        r.affine(t[x], t[scale], None, t[y], axis)
        assert names(r.calls) == ["batch_norm_global", "affine"]
    for view in (half, flat):
        r = Recorder()
        normalized(r, t, True)
        r.affine(view, t["s"], None, view, 1)
        r.relu(view, view, 0.0)
        assert names(r.calls) == ["batch_norm_global", "affine", "relu"]
    r = Recorder()
    normalized(r, t, True)
    r.copy(t["y"], t["y"])
    r.affine(t["y"], t["s"], None, t["y"], 1)
    normalized(r, t, True)
    r.copy(t["y"], t["k"])
    r.relu(t["y"], t["y"], 0.0)
    normalized(r, t, False)
    assert names(r.calls) == ["batch_norm_global", "copy", "affine", "batch_norm_global", "copy", "relu", "batch_norm"]


@pytest.mark.parametrize("count", [1, 2, 16, 17, 40])
def test_a_relu_behind_a_sum_is_part_of_it(count):
    def calls(engine, t):
        xs = [t["a"], t["b"]] * (count // 2) + [t["y"]] * (count % 2)  # y is also read
        for coefficients in (None, np.linspace(-1, 2, count).tolist()):
            for slope in (0.0, 0.2):
                r = Recorder()
                if coefficients is None:
                    r.add_all(xs, t["y"])
                else:
                    r.weighted_sum(xs, t["y"], coefficients)
                r.relu(t["y"], t["y"], slope)
                assert names(r.calls) == ["rectified_add_all" if coefficients is None else "rectified_weighted_sum"]
                engine.compile(r.calls).run()

    agree(dict.fromkeys("aby", (7, 5)), calls, tolerance=5e-5)


def scaled_back(r, t, slope, scale, shift, kept="k", g="g"):
    if slope is not None:
        r.relu_grad(t["y"], t[g], t[g], slope)
    if shift:
        r.affine_grad_shift(t[g], t["dh"], 1)
    if scale:
        r.affine_grad_scale(t[kept], t[g], t["ds"], 1)
    r.affine_grad_data(t[g], t["s"], t[g], 1)
    r.batch_norm_grad(t["n"], t["d"], t[g], t[g])


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (2, 4, 40, 31), (9, 4), (0, 4, 3)])
def test_the_gradients_of_a_normalization_a_scale_and_a_relu_are_one(shape):
    count = []

    def calls(engine, t):
        for slope in (0.0, 0.2, None):
            for scale, shift in ((True, True), (True, False), (False, True), (False, False)):
                r = Recorder()
                scaled_back(r, t, slope, scale, shift)
                assert names(r.calls) == ["scaled_batch_norm_grad"]
                engine.compile(r.calls).run()
                count.append(1)

    layout = dict.fromkeys("gynk", shape) | dict.fromkeys(("d", "s", "ds", "dh"), (4,))
    agree(layout, calls, tolerance=5e-5, given={"d": [1, 2, 3, 4]})
    assert len(count) == 24


def test_other_gradients_are_not():
    layout = (
        dict.fromkeys("gyknz", (3, 4, 5, 2)) | dict.fromkeys(("d", "s", "ds", "dh"), (4,)) | {"a": (5,), "da": (5,)}
    )
    t, r = tensors(layout), Recorder()
    r.affine_grad_data(t["g"], t["s"], t["z"], 1)  # not in place
    r.batch_norm_grad(t["n"], t["d"], t["z"], t["z"])
    r.affine_grad_data(t["g"], t["a"], t["g"], 2)  # not by channel
    r.batch_norm_grad(t["n"], t["d"], t["g"], t["g"])
    r.affine_grad_data(t["g"], t["s"], t["g"], 1)
    r.affine_grad_shift(t["g"], t["dh"], 1)  # of something else
    r.batch_norm_grad(t["n"], t["d"], t["g"], t["g"])
    r.affine_grad_shift(t["g"], t["da"], 2)
    r.affine_grad_data(t["g"], t["s"], t["g"], 1)
    r.batch_norm_grad(t["n"], t["d"], t["g"], t["z"])
    r.affine_grad_data(t["g"], t["s"], t["g"], 1)
    assert names(r.calls) == [call.name for call in r.calls]
    r = Recorder()
    r.relu_grad(t["y"], t["g"], t["g"], 0.0)
    scaled_back(r, t, 0.0, True, True)
    scaled_back(r, t, None, True, True)
    assert names(r.calls) == ["relu_grad", "scaled_batch_norm_grad", "scaled_batch_norm_grad"]


@pytest.mark.parametrize("real", [FLOAT16, BFLOAT16], ids=lambda real: real.name)
def test_both_ways_in_16_bits(real):
    """A convolution makes them so; coefficients, statistics and their gradients are floats."""
    one = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))
    shape = (3, 4, 6, 5)
    layout = dict.fromkeys(("x", "y", "n", "k", "e", "g"), shape) | {"u": (4, 4, 1, 1), "w": (1,)}
    layout |= dict.fromkeys(("d", "m", "v", "s", "h", "ds", "dh"), (4,))

    def calls(engine, t):
        forward, backward = Recorder(), Recorder()
        forward.convolution(t["x"], t["u"], None, t["y"], one)
        forward.batch_norm(t["y"], t["y"], t["n"], t["d"], t["m"], t["v"], t["w"], 1e-3, 0.9)
        forward.copy(t["y"], t["k"])
        forward.affine(t["y"], t["s"], t["h"], t["y"], 1)
        forward.relu(t["y"], t["y"], 2.0)  # no value next to 0 makes much of a difference
        backward.convolution_grad_data(t["e"], t["u"], t["g"], one)
        scaled_back(backward, t, 2.0, True, True)
        assert names(forward.calls) == ["convolution", "scaled_batch_norm"]
        assert names(backward.calls) == ["convolution_grad_data", "scaled_batch_norm_grad"]
        first = engine.compile(forward.calls)
        first.run()
        engine.compile(backward.calls, after=[first]).run()
        if isinstance(engine, CudaEngine):
            assert {how.real for how in first.plan.hows} == {real}

    digits = {FLOAT16: 2**-11, BFLOAT16: 2**-8}[real]
    agree(layout, calls, tolerance=12 * digits, engine=simulated(Options(precision=real)))
