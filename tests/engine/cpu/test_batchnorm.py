"""Batch normalization, scaling and shifting against the reference, alone and fused, and what is left for gradients."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, transfers
from tests.engine.cpu.twins import agree, close, compiled, geometry, left_to_reference, numbers, tensors

SAME = geometry((3, 3), pad=1)
SHAPES = [(6, 20), (4, 20, 7), (2, 20, 6, 6), (2, 3, 5, 5), (2, 16, 3, 4, 5), (8, 1, 5, 5)]
STATISTICS = ("mean", "variance", "weight")


def shapes_of(shape):
    channels = (shape[1],)
    return {
        **dict.fromkeys(["x", "y", "normalized", "dy", "dx", "before", "dbefore", "out", "dout"], shape),
        **dict.fromkeys(["deviation", "mean", "variance", "scale", "shift", "dscale", "dshift"], channels),
        "weight": (1,),
        "filter": (shape[1], shape[1], 3, 3),
    }


def made(shape, seed=1):
    """Tensors with variances and weights that are positive."""
    t = tensors(shapes_of(shape), seed)
    for name in ("variance", "weight"):
        t[name].memory.update(HOST)[...] = np.abs(t[name].memory.read(HOST)) + 0.1
    return t


def same(calls, shape, runs=2):
    """Run calls by the reference and compiled, compare every tensor; the program."""
    expected, actual = made(shape), made(shape)
    program = compiled(calls, actual)
    for _ in range(runs):
        calls(ReferenceEngine(), expected)
        program.run()
    for name in actual:
        close(actual[name], expected[name], name)
    return program


def normalize(engine, t, x="x", y="y"):
    kept = (t[name] for name in ("normalized", "deviation", *STATISTICS))
    engine.batch_norm(t[x], t[y], *kept, 1e-3, 0.9)


def normalize_back(engine, t, dy="dy", dx="dx"):
    engine.batch_norm_grad(t["normalized"], t["deviation"], t[dy], t[dx])


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_and_gradient(shape):
    def calls(engine, t):
        normalize(engine, t)
        normalize_back(engine, t)

    assert left_to_reference(same(calls, shape)) == []


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_running_statistics_and_gradient(shape, in_place):
    def calls(engine, t):
        engine.batch_norm_global(t["x"], t["x" if in_place else "y"], t["deviation"], *(t[s] for s in STATISTICS), 1e-3)
        engine.batch_norm_global_grad(t["deviation"], t["dy"], t["dy" if in_place else "dx"])

    assert left_to_reference(same(calls, shape)) == []


def test_no_running_statistics_yet():
    t, expected = made((2, 3, 5, 5)), made((2, 3, 5, 5))

    def calls(engine, t):
        engine.batch_norm_global(t["x"], t["y"], t["deviation"], *(t[s] for s in STATISTICS), 1e-3)

    for each in (t, expected):
        each["weight"].memory.clear()
    compiled(calls, t).run()
    calls(ReferenceEngine(), expected)
    close(t["y"], expected["y"])


AFFINE = {
    "by channel": ((2, 20, 6, 6), (20,), 1),
    "of a matrix": ((5, 7), (7,), 1),
    "by two axes": ((2, 3, 4, 5), (3, 4), 1),
    "by image": ((2, 3, 4, 5), (2,), 0),
    "by the last axis": ((2, 3, 4, 5), (5,), 3),
    "each number": ((2, 3, 4), (2, 3, 4), 0),
    "one for all": ((2, 3, 4), (), 0),
    "of a vector": ((7,), (7,), 0),
}


@pytest.mark.parametrize("case", AFFINE)
@pytest.mark.parametrize("parts", ["scale shift", "scale", "shift"])
def test_affine_and_gradients(case, parts):
    shape, coefficients, axis = AFFINE[case]

    def calls(engine, t):
        scale, shift = (t[part] if part in parts else None for part in ("scale", "shift"))
        engine.affine(t["x"], scale, shift, t["y"], axis)
        if shift is not None:
            engine.affine_grad_shift(t["dy"], t["dshift"], axis)
        if scale is not None:
            engine.affine_grad_scale(t["x"], t["dy"], t["dscale"], axis)
            engine.affine_grad_data(t["dy"], scale, t["dx"], axis)

    shapes = dict.fromkeys(["x", "y", "dy", "dx"], shape)
    coefficient_shapes = dict.fromkeys(["scale", "shift", "dscale", "dshift"], coefficients)
    assert left_to_reference(agree({**shapes, **coefficient_shapes}, calls)) == []


# -- a convolution, its normalization, scale and ReLU, all in place ----------------------------------------------------


def block(engine, t, relu=True):
    """As the layers of a net in training call it: whoever needs its input later copies it first."""
    engine.convolution(t["x"], t["filter"], None, t["y"], SAME)
    normalize(engine, t, "y", "y")
    engine.copy(t["y"], t["before"])
    engine.affine(t["y"], t["scale"], t["shift"], t["y"], 1)
    if relu:
        engine.relu(t["y"], t["y"], 0.0)


def block_back(engine, t, relu=True):
    if relu:
        engine.relu_grad(t["y"], t["dy"], t["dy"], 0.0)
    engine.affine_grad_shift(t["dy"], t["dshift"], 1)
    engine.affine_grad_scale(t["before"], t["dy"], t["dscale"], 1)
    engine.affine_grad_data(t["dy"], t["scale"], t["dy"], 1)
    normalize_back(engine, t, "dy", "dy")
    engine.convolution_grad_data(t["dy"], t["filter"], t["dx"], SAME)


@pytest.mark.parametrize("relu", [True, False])
def test_block_in_place_is_one_normalization_each_way(relu):
    def calls(engine, t):
        block(engine, t, relu)
        block_back(engine, t, relu)

    program = same(calls, (2, 20, 6, 6))
    kinds = [name.split()[0] for name in program.names() if "add what" not in name]
    wanted = ["convolution_forward", "batch_normalization_forward", "loop"]
    wanted += ["batch_normalization_backward", "convolution_backward_data"]
    assert [kind for kind in kinds if kind != "reorder"] == wanted


@pytest.mark.parametrize("relu", [True, False])
def test_forward_and_backward_as_two_programs(relu):
    t, expected = made((2, 16, 6, 6)), made((2, 16, 6, 6))
    forward = compiled(lambda e, t: block(e, t, relu), t)
    forward.run()
    backward = compiled(lambda e, t: block_back(e, t, relu), t)
    assert sum("batch_normalization_backward" in name for name in backward.names()) == 1
    block(ReferenceEngine(), expected, relu)
    for _ in range(2):
        for each in (t, expected):
            each["dy"].memory.update(HOST)[...] += 1
        transfers.clear()
        forward.run()
        backward.run()
        assert not any("normalized" in place or "signs" in place for move in transfers for place in move)
        block(ReferenceEngine(), expected, relu)
        block_back(ReferenceEngine(), expected, relu)
        for name in t:
            close(t[name], expected[name], name)


def test_backward_compiled_before_forward_has_run():
    t = made((2, 16, 6, 6))
    recorder = Recorder()
    block(recorder, t)
    forward = CpuEngine().compile(recorder.calls)
    recorder = Recorder()
    block_back(recorder, t)
    backward = CpuEngine().compile(recorder.calls, after=[forward])
    assert sum("batch_normalization_backward" in name for name in backward.names()) == 1
    expected = made((2, 16, 6, 6))
    for program in (forward, backward):
        program.run()
    block(ReferenceEngine(), expected)
    block_back(ReferenceEngine(), expected)
    for name in t:
        close(t[name], expected[name], name)


@pytest.mark.parametrize("first", ["whole", "single", "reference"])
@pytest.mark.parametrize("second", ["whole", "single", "reference"])
def test_layers_run_one_by_one_or_by_another_engine_in_between(first, second):
    """Whatever ran the forward pass last, and whatever it ran before when the backward pass was compiled."""
    t, expected = made((2, 16, 6, 6)), made((2, 16, 6, 6))
    whole = compiled(block, t)
    singles = [CpuEngine().compile([call]) for call in whole.calls]

    def forward(how):
        if how == "reference":
            block(ReferenceEngine(), t)
        for program in {"whole": [whole], "single": singles, "reference": []}[how]:
            program.run()
        block(ReferenceEngine(), expected)

    forward(first)
    backward = compiled(block_back, t)
    for how in (first, second, second):
        forward(how)
        backward.run()
        block_back(ReferenceEngine(), expected)
        for name in t:
            close(t[name], expected[name], name)


def test_results_that_somebody_changes_count_for_the_gradient_of_the_relu():
    t, expected = made((2, 16, 6, 6)), made((2, 16, 6, 6))
    compiled(block, t).run()
    backward = compiled(block_back, t)
    block(ReferenceEngine(), expected)
    for each in (t, expected):
        each["y"].memory.update(HOST)[::3] = -1
        each["y"].memory.update(HOST)[1::3] = 1
    backward.run()
    block_back(ReferenceEngine(), expected)
    close(t["dx"], expected["dx"])


def test_a_number_that_is_none_spoils_its_channel_as_it_does_with_caffe():
    def calls(engine, t):
        normalize(engine, t)
        engine.affine(t["y"], t["scale"], t["shift"], t["out"], 1)
        engine.relu(t["out"], t["out"], 0.0)

    t, expected = made((2, 20, 6, 6)), made((2, 20, 6, 6))
    for each in (t, expected):
        each["x"].memory.update(HOST)[40] = np.nan
    program = compiled(calls, t)
    assert len(program.names()) == 2
    program.run()
    calls(ReferenceEngine(), expected)
    assert np.isnan(numbers(t["out"])[:, 1]).all()
    np.testing.assert_allclose(numbers(t["out"]), numbers(expected["out"]), rtol=1e-4, atol=1e-4)
    for name in STATISTICS:
        np.testing.assert_allclose(numbers(t[name]), numbers(expected[name]), rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("parts", ["scale data", "shift scale data", "shift scale", "scale"])
def test_blobs_of_their_own(together, parts):
    """Not in place: the normalized blob is there when somebody looks, and so is its gradient."""

    def forward(engine, t):
        normalize(engine, t)
        engine.affine(t["y"], t["scale"], t["shift"], t["before"], 1)
        engine.relu(t["before"], t["out"], 0.0)

    def backward(engine, t):
        engine.relu_grad(t["before"], t["dout"], t["dbefore"], 0.0)
        if "shift" in parts:
            engine.affine_grad_shift(t["dbefore"], t["dshift"], 1)
        engine.affine_grad_scale(t["y"], t["dbefore"], t["dscale"], 1)
        if "data" in parts:
            engine.affine_grad_data(t["dbefore"], t["scale"], t["dy"], 1)
        normalize_back(engine, t, "dy", "dx")

    calls = [lambda e, t: (forward(e, t), backward(e, t))] if together else [forward, backward]
    t, expected = made((2, 20, 6, 6)), made((2, 20, 6, 6))
    programs = []
    for each in calls * 2:
        each(ReferenceEngine(), expected)
        programs.append(compiled(each, t))
        programs[-1].run()
    for name in t:
        close(t[name], expected[name], name)
    assert [left_to_reference(program) for program in programs] == [[]] * len(programs)
    names = [name for program in programs for name in program.names()]
    assert sum("batch_normalization_forward" in name for name in names) == 2


def test_what_is_promised_is_read_by_others():
    """Rarely: a part of the program that needs normalized numbers begins when they can be had."""

    def calls(engine, t):
        normalize(engine, t)
        engine.add_all([t["normalized"], t["x"]], t["out"])

    assert left_to_reference(same(calls, (2, 20, 6, 6))) == ["add_all"]


def test_who_reads_the_normalized_numbers_besides_the_scale():
    def calls(engine, t):
        normalize(engine, t)
        engine.affine(t["y"], t["scale"], t["shift"], t["before"], 1)
        engine.add_all([t["y"], t["before"]], t["out"])

    names = same(calls, (2, 20, 6, 6)).names()
    assert sum("batch_normalization_forward" in name for name in names) == 2


@pytest.mark.parametrize("keep", [True, False])
def test_running_statistics_with_scale_and_relu(keep):
    """For inference one primitive, if nobody wants what is in between."""
    t, expected = made((2, 20, 6, 6)), made((2, 20, 6, 6))

    def calls(engine, t):
        engine.batch_norm_global(t["x"], t["y"], t["deviation"], *(t[s] for s in STATISTICS), 1e-3)
        engine.copy(t["y"], t["before"])
        engine.affine(t["y"], t["scale"], t["shift"], t["y"], 1)
        engine.relu(t["y"], t["y"], 0.0)

    recorder = Recorder()
    calls(recorder, t)
    program = CpuEngine().compile(recorder.calls, None if keep else {t["y"].memory})
    program.run()
    calls(ReferenceEngine(), expected)
    close(t["y"], expected["y"])
    if keep:
        close(t["before"], expected["before"])
    else:
        assert len(program.names()) == 2


def test_the_input_is_kept_when_nobody_else_wants_it():
    """A program that may lose the blob between convolution and normalization still leaves what the gradient needs."""
    t, expected = made((2, 16, 6, 6)), made((2, 16, 6, 6))

    def calls(engine, t):
        engine.convolution(t["x"], t["filter"], None, t["y"], SAME)
        normalize(engine, t, "y", "out")
        engine.relu(t["out"], t["out"], 0.0)
        engine.fill(t["dx"], 0.0)

    recorder = Recorder()
    calls(recorder, t)
    wanted = {t[name].memory for name in ("out", "normalized", "deviation", "dx", *STATISTICS)}
    program = CpuEngine().compile(recorder.calls, wanted)
    assert program.lost == {t["y"].memory}
    program.run()
    calls(ReferenceEngine(), expected)
    compiled(normalize_back, t).run()
    normalize_back(ReferenceEngine(), expected)
    for name in ("out", "normalized", "dx"):
        close(t[name], expected[name], name)
