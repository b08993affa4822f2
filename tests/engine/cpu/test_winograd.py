"""Convolutions by Winograd's filtering against the reference and float64, over sizes that have an odd corner each."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import compile as compiling
from caffe_sdk.engine.cpu import convolution, winograd
from caffe_sdk.engine.cpu.layouts import place_of
from caffe_sdk.engine.portable.filtering import Problem
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, new_tensor, transfers
from caffe_sdk.threads import set_num_threads
from tests.engine.cpu.twins import agree, close, compiled, geometry, left_to_reference, numbers, tensors

SHAPES = {
    "whole tiles": ((2, 16, 8, 8), 16, geometry((3, 3), pad=1)),
    "no padding": ((1, 32, 9, 11), 48, geometry((3, 3))),
    "smaller than a tile": ((1, 16, 3, 2), 16, geometry((3, 3), pad=1)),
    "one place": ((3, 16, 1, 1), 16, geometry((3, 3), pad=1)),
    "more padding than image": ((1, 16, 2, 2), 16, geometry((3, 3), pad=5)),
    "oblong padding": ((2, 16, 7, 6), 32, geometry((3, 3), pad=(2, 0))),
    "channels that fill no block": ((2, 20, 12, 10), 50, geometry((3, 3), pad=1)),
    "few channels": ((2, 3, 10, 10), 5, geometry((3, 3), pad=1)),
    "panels of every width": ((1, 80, 6, 6), 112, geometry((3, 3), pad=1)),
    "groups": ((3, 64, 7, 13), 32, geometry((3, 3), pad=2, group=2)),
    "a wide group": ((1, 160, 6, 6), 192, geometry((3, 3), pad=1, group=2)),
    "many chunks": ((3, 16, 40, 40), 16, geometry((3, 3), pad=1)),
    "large filters": ((3, 96, 24, 20), 80, geometry((3, 3), pad=1)),
    "two batch axes": ((2, 3, 16, 9, 9), 16, geometry((3, 3), pad=1, axis=2)),
    "five taps": ((2, 16, 8, 8), 32, geometry((5, 5), pad=2)),
    "five taps, odd sizes": ((1, 20, 7, 11), 40, geometry((5, 5), pad=(2, 1))),
    "five taps, smaller than a tile": ((2, 16, 1, 3), 16, geometry((5, 5), pad=2)),
    "five taps, groups": ((3, 96, 9, 6), 64, geometry((5, 5), group=2)),
}


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """So many threads."""
    set_num_threads(request.param)


@pytest.fixture
def everywhere(monkeypatch):
    """Every convolution is planned as Winograd's, or not at all."""
    monkeypatch.setitem(compiling.PLANNERS, "convolution", winograd.convolution)
    monkeypatch.setitem(compiling.PLANNERS, "convolution_grad_data", winograd.convolution_grad_data)
    monkeypatch.setitem(compiling.PLANNERS, "convolution_grad_weight", winograd.convolution_grad_weight)


def sizes(x, out, g, **more):
    """Shapes of a convolution's tensors, gradients included."""
    y = (*x[: g.axis], out, *g.output_size(x[g.axis + 1 :]))
    weight = (out, x[g.axis] // g.group, *g.kernel)
    return {"x": x, "weight": weight, "bias": (out,), "y": y, "dy": y, "dx": x, **more}


@pytest.mark.usefixtures("everywhere", "threads")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", SHAPES)
def test_the_gradient_of_filters(case, bias):
    x, out, g = SHAPES[case]
    shapes = sizes(x, out, g)
    shapes |= {"dweight": shapes["weight"]} | ({"dbias": (out,)} if bias else {})

    def calls(engine, t):
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t.get("dbias"), g)

    whole = x[g.axis] // g.group % 16 == out // g.group % 16 == 0
    names = agree(shapes, calls, runs=3).names()
    assert any("winograd" in name for name in names) is whole


@pytest.mark.usefixtures("everywhere", "threads")
@pytest.mark.parametrize("case", SHAPES)
def test_convolution_and_the_gradient_of_its_input(case):
    x, out, g = SHAPES[case]

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["y"], g)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    program = agree(sizes(x, out, g), calls)
    assert left_to_reference(program) == []
    assert sum("winograd" in name for name in program.names()) == 2


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize("slope", [0.0, 0.25])
@pytest.mark.parametrize("bias", [True, False])
def test_bias_and_relu(bias, slope):
    x, out, g = SHAPES["channels that fill no block"]

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"] if bias else None, t["y"], g)
        engine.relu(t["y"], t["y"], slope)
        engine.convolution(t["y"], t["next"], None, t["z"], g)  # reads what is padded too

    program = agree(sizes(x, out, g, next=(16, out, 3, 3), z=(2, 16, 12, 10)), calls)
    assert len([name for name in program.names() if "winograd" in name]) == 2
    assert not any("eltwise" in name for name in program.names())


OTHERS = {
    "stride": geometry((3, 3), stride=(2, 1)),
    "dilation": geometry((3, 3), dilation=(1, 2)),
    "kernel": geometry((3, 1)),
    "an oblong kernel": geometry((3, 5)),
    "three axes": geometry((3, 3, 3)),
    "groups that cut blocks": geometry((3, 3), group=2),
}


@pytest.mark.usefixtures("everywhere")
@pytest.mark.parametrize("case", OTHERS)
def test_others_are_left_to_others(case):
    g = OTHERS[case]
    x = (1, 24, *(9,) * len(g.kernel))
    program = agree(sizes(x, 24, g), lambda e, t: e.convolution(t["x"], t["weight"], t["bias"], t["y"], g))
    assert left_to_reference(program) == ["convolution"]


@pytest.mark.usefixtures("everywhere")
def test_in_place_is_left_to_others():
    g = geometry((3, 3), pad=1)
    shapes = {"x": (1, 16, 4, 4), "weight": (16, 16, 3, 3)}
    program = compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["x"], g), tensors(shapes))
    assert left_to_reference(program) == ["convolution"]


# -- filters -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("everywhere")
def test_filters_are_transformed_when_they_change_and_only_then():
    x, out, g = SHAPES["large filters"]
    t, expected = tensors(sizes(x, out, g)), tensors(sizes(x, out, g))

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], t["bias"], t["y"], g)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    program = compiled(calls, t)
    program.run()
    blocked = place_of(winograd.filters(winograd.dims_of(Problem.of(x, t["y"].shape, g))))
    for change in (HOST, blocked, None, HOST):
        if change is not None:
            t["weight"].memory.update(change)[...] *= 3
            expected["weight"].memory.update(HOST)[...] *= 3
        transfers.clear()
        program.run()
        made = sum(count for (_, to), count in transfers.items() if to == "winograd")
        assert made == (0 if change is None else 2)
        calls(ReferenceEngine(), expected)
        close(t["y"], expected["y"])
        close(t["dx"], expected["dx"])


@pytest.mark.usefixtures("everywhere")
def test_small_filters_are_not_kept_transformed():
    x, out, g = SHAPES["many chunks"]
    program = compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g), tensors(sizes(x, out, g)))
    assert program.names() == ["loop transformed filters", "convolution_forward winograd"]
    assert not any(isinstance(place, winograd.TransformedFilters) for _, place in program.needs())


@pytest.mark.usefixtures("everywhere")
def test_for_few_tiles_nothing_is_kept():
    x, out, g = SHAPES["panels of every width"]
    t = tensors(sizes(x, out, g))
    program = compiled(lambda e, t: e.convolution(t["x"], t["weight"], t["bias"], t["y"], g), t)
    assert program.names() == ["convolution_forward winograd"]
    program.run()
    assert not any(place.derived for place in t["weight"].memory.places)


@pytest.mark.usefixtures("everywhere")
def test_programs_share_transformed_filters():
    x, out, g = SHAPES["groups"]
    t = tensors(sizes(x, out, g))
    first = compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g), t)
    first.run()
    small = {**t, "x": new_tensor((1, 64, 7, 13)), "y": new_tensor((1, *t["y"].shape[1:]))}
    transfers.clear()
    compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g), small).run()
    assert not any(to == "winograd" for _, to in transfers)


@pytest.mark.usefixtures("everywhere")
def test_a_weight_of_zeros_and_one_computed_in_the_same_program():
    x, out, g = SHAPES["whole tiles"]
    shapes = sizes(x, out, g, other=(16, 16, 3, 3))

    def calls(engine, t):
        engine.relu(t["other"], t["weight"], 0.0)
        engine.convolution(t["x"], t["weight"], None, t["y"], g)

    assert left_to_reference(agree(shapes, calls)) == []
    t = tensors(shapes)
    t["weight"].memory.clear()
    compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g), t).run()
    assert not numbers(t["y"]).any()


# -- accuracy ----------------------------------------------------------------------------------------------------------


def in_float64(x, weight, pad):
    """A convolution computed with numbers of 64 bits."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    taps = weight.shape[2]
    h, w = x.shape[2] + 1 - taps, x.shape[3] + 1 - taps
    return sum(
        np.einsum("nchw,kc->nkhw", x[:, :, i : i + h, j : j + w], weight[:, :, i, j].astype(np.float64), optimize=True)
        for i in range(taps)
        for j in range(taps)
    )


def gradient_in_float64(x, dy, taps):
    """The gradient of filters computed with numbers of 64 bits."""
    pad, (h, w) = taps // 2, dy.shape[2:]
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    parts = [
        np.einsum("nchw,nkhw->kc", x[:, :, i : i + h, j : j + w], dy.astype(np.float64), optimize=True)
        for i in range(taps)
        for j in range(taps)
    ]
    return np.stack(parts, axis=-1).reshape(dy.shape[1], x.shape[1], taps, taps)


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("inputs", ["normal", "rectified"])
@pytest.mark.parametrize(("batch", "channels", "side"), [(1, 16, 28), (8, 32, 14), (16, 16, 7)])
def test_rounding_errors_of_gradients_are_no_more_than_three_times_those_of_direct_convolution(
    monkeypatch, batch, channels, side, inputs, taps
):
    g = geometry((taps, taps), pad=taps // 2)
    shapes = dict.fromkeys(("x", "dy"), (batch, channels, side, side)) | {"dw": (channels, channels, taps, taps)}
    errors = []
    for planner in (convolution.convolution_grad_weight, winograd.convolution_grad_weight):
        monkeypatch.setitem(compiling.PLANNERS, "convolution_grad_weight", planner)
        t = tensors(shapes)
        t["dw"].memory.clear()
        if inputs == "rectified":
            np.maximum(numbers(t["x"]), 0, out=t["x"].memory.update(HOST).reshape(shapes["x"]))
        compiled(lambda e, t: e.convolution_grad_weight(t["x"], t["dy"], t["dw"], None, g), t).run()
        error = numbers(t["dw"]) - gradient_in_float64(numbers(t["x"]), numbers(t["dy"]), taps)
        errors.append(np.sqrt((error**2).mean()))
    assert errors[1] <= 3 * errors[0]


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("inputs", ["normal", "rectified"])
@pytest.mark.parametrize(("channels", "out", "side"), [(16, 16, 28), (64, 64, 16), (256, 32, 13), (512, 16, 14)])
def test_rounding_errors_are_no_more_than_three_times_those_of_direct_convolution(
    monkeypatch, channels, out, side, inputs, taps
):
    g = geometry((taps, taps), pad=taps // 2)
    shapes = {"x": (1, channels, side, side), "weight": (out, channels, taps, taps), "y": (1, out, side, side)}
    errors = []
    for planner in (convolution.convolution, winograd.convolution):
        monkeypatch.setitem(compiling.PLANNERS, "convolution", planner)
        t = tensors(shapes)
        if inputs == "rectified":
            np.maximum(numbers(t["x"]), 0, out=t["x"].memory.update(HOST).reshape(shapes["x"]))
        compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["y"], g), t).run()
        error = numbers(t["y"]) - in_float64(numbers(t["x"]), numbers(t["weight"]), taps // 2)
        errors.append(np.sqrt((error**2).mean()))
    assert errors[1] <= 3 * errors[0]
