"""Whole programs: chains of calls, who else may touch the memories between runs, and what replaying costs."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.cpu.compile import PLANNERS
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import OPERATIONS
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import InternalError
from caffe_sdk.memory import HOST, new_tensor, transfers
from tests.engine.cpu import lenet
from tests.engine.cpu.twins import agree, close, compiled, left_to_reference, numbers, tensors

SAME = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
CONVOLUTION = {"x": (2, 20, 6, 6), "weight": (20, 20, 3, 3), "bias": (20,), "y": (2, 20, 6, 6)}
GRADIENT = {"x": (2, 20, 6, 6), "dy": (2, 20, 6, 6), "dweight": (20, 20, 3, 3), "dbias": (20,)}


def convolve(engine, t):
    engine.convolution(t["x"], t["weight"], t["bias"], t["y"], SAME)


def gradient(engine, t):
    engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], t["dbias"], SAME)


def test_every_planner_is_of_an_operation():
    assert set(PLANNERS) <= set(OPERATIONS)


# -- training ----------------------------------------------------------------------------------------------------------


def test_lenet_trains_as_the_reference_does():
    engine, reference = CpuEngine(), ReferenceEngine()
    t, expected = lenet.lenet(8), lenet.lenet(8)
    forward = compiled(lenet.forward, t)
    forward.run()
    backward = compiled(lenet.backward, t)
    for _ in range(3):
        for each, run in ((t, (forward.run, backward.run)), (expected, None)):
            lenet.clear(each)
            if run is not None:
                run[0]()
                run[1]()
                lenet.update(engine, each)
            else:
                lenet.forward(reference, each)
                lenet.backward(reference, each)
                lenet.update(reference, each)
        np.testing.assert_allclose(numbers(t["loss"]), numbers(expected["loss"]), rtol=1e-3)
    for name in lenet.PARAMETERS:
        largest = np.abs(numbers(expected[name])).max()
        np.testing.assert_allclose(numbers(t[name]), numbers(expected[name]), atol=2e-3 * largest, err_msg=name)
    assert left_to_reference(forward) == ["softmax_loss"]
    assert left_to_reference(backward) == ["softmax_loss_grad"]


def test_what_is_computed_stays_in_its_layout():
    engine, t = CpuEngine(), lenet.lenet(4)
    forward = compiled(lenet.forward, t)
    forward.run()
    backward = compiled(lenet.backward, t)
    backward.run()
    lenet.update(engine, t)
    for _ in range(2):
        transfers.clear()
        lenet.clear(t)
        forward.run()
        backward.run()
        lenet.update(engine, t)
        to_and_from_host = {key: count for key, count in transfers.items() if "host" in key}
        assert to_and_from_host == {("onednn", "host"): 1, ("host", "onednn"): 1}, "pool2 as a matrix, and back"
    for name in ("weight1", "weight2", "weight3", "weight4"):
        assert HOST not in t[name].memory.fresh
        assert t[f"h{name}"].memory.fresh <= t[f"d{name}"].memory.fresh


def test_inference_brings_weights_once():
    t = lenet.lenet(4)
    forward = compiled(lenet.forward, t)
    forward.run()
    transfers.clear()
    forward.run()
    assert dict(transfers) == {("onednn", "host"): 1} or dict(transfers)[("onednn", "host")] == 1
    assert ("host", "onednn") not in transfers


def test_forward_and_backward_as_one_program():
    def calls(engine, t):
        lenet.forward(engine, t)
        lenet.backward(engine, t)

    expected, t = lenet.lenet(5), lenet.lenet(5)
    program = compiled(calls, t)
    for each in (expected, t):
        lenet.clear(each)
    calls(ReferenceEngine(), expected)
    program.run()
    for name in t:
        if name not in ("mask1", "mask2"):
            largest = np.abs(numbers(expected[name])).max()
            np.testing.assert_allclose(numbers(t[name]), numbers(expected[name]), atol=1e-3 * largest, err_msg=name)
    assert left_to_reference(program) == ["softmax_loss", "softmax_loss_grad"]


# -- gradients add up --------------------------------------------------------------------------------------------------


def test_gradients_add_to_what_is_there_and_replace_what_was_cleared():
    t = tensors(GRADIENT)
    program = compiled(gradient, t)
    for name in ("dweight", "dbias"):
        t[name].memory.clear()
    program.run()
    once = {name: numbers(t[name]).copy() for name in ("dweight", "dbias")}
    program.run()
    for name, values in once.items():
        np.testing.assert_allclose(numbers(t[name]), 2 * values, rtol=1e-5)
        t[name].memory.clear()
    program.run()
    for name, values in once.items():
        np.testing.assert_allclose(numbers(t[name]), values, rtol=1e-5)


def test_a_weight_used_twice_in_a_program():
    def twice(engine, t):
        gradient(engine, t)
        gradient(engine, t)

    t = tensors(GRADIENT)
    t["dweight"].memory.clear()
    program = compiled(twice, t)
    program.run()
    expected = tensors(GRADIENT)
    expected["dweight"].memory.clear()
    twice(ReferenceEngine(), expected)
    for name in ("dweight", "dbias"):
        close(t[name], expected[name], name)


def test_a_weight_used_by_a_convolution_and_by_an_inner_product():
    shapes = {**GRADIENT, "matrix": (4, 180), "dmatrix": (4, 20)}

    def both(engine, t):
        engine.inner_product_grad_weight(t["matrix"], t["dmatrix"], t["dweight"].reshaped(20, 180), None, False)
        gradient(engine, t)

    agree(shapes, both)


def test_a_gradient_somebody_looks_at():
    """A view that is held keeps the memory on the host between runs, and sees every run's sum."""
    t = tensors(GRADIENT)
    t["dweight"].memory.clear()
    program = compiled(gradient, t)
    view = t["dweight"].memory.view()
    sums = []
    for _ in range(2):
        t["dweight"].memory.claim()
        program.run()
        t["dweight"].memory.settle()
        sums.append(view.copy())
    assert np.abs(sums[0]).max() > 0
    np.testing.assert_allclose(sums[1], 2 * sums[0], rtol=1e-5)


# -- others touch the memories -----------------------------------------------------------------------------------------


def test_who_writes_inputs_or_weights_between_runs_is_heard():
    t, expected = tensors(CONVOLUTION), tensors(CONVOLUTION)
    program = compiled(convolve, t)
    for name in ("x", "weight", "bias"):
        for each in (t, expected):
            each[name].memory.update(HOST)[...] *= 2
        program.run()
        convolve(ReferenceEngine(), expected)
        close(t["y"], expected["y"], name)


def test_a_held_view_of_weights_is_heard_and_of_outputs_shows():
    t, expected = tensors(CONVOLUTION), tensors(CONVOLUTION)
    program = compiled(convolve, t)
    weight, y = t["weight"].memory.view(), t["y"].memory.view()
    for factor in (2, 3):
        weight *= factor
        expected["weight"].memory.update(HOST)[...] *= factor
        for tensor in t.values():
            tensor.memory.claim()
        program.run()
        for tensor in t.values():
            tensor.memory.settle()
        convolve(ReferenceEngine(), expected)
        np.testing.assert_allclose(y, expected["y"].memory.read(HOST), rtol=1e-4, atol=1e-4)


def test_a_memory_that_begins_with_a_filler():
    t, expected = tensors(CONVOLUTION), tensors(CONVOLUTION)
    values = expected["weight"].memory.read(HOST).copy()
    t["weight"].memory.begin_with(lambda room: np.copyto(room, values))
    t["y"].memory.begin_with(lambda room: room.fill(77))
    compiled(convolve, t).run()
    convolve(ReferenceEngine(), expected)
    close(t["y"], expected["y"])


def test_part_of_a_chain_alone():
    """Each call by itself gives what the chain gives: what is between is somewhere, and is found."""
    t, expected = lenet.lenet(2), lenet.lenet(2)
    lenet.forward(ReferenceEngine(), expected)
    whole = compiled(lenet.forward, t)
    singles = [CpuEngine().compile([call]) for call in whole.calls]
    for single in singles:
        single.run()
    close(t["prob"], expected["prob"])
    t["pool1"].memory.update(HOST)[...] = 0
    for single in singles[2:]:
        single.run()
    assert not np.allclose(numbers(t["prob"]), numbers(expected["prob"]))


def test_programs_of_other_batches_share_weights():
    engine, t = CpuEngine(), lenet.lenet(16)
    test = lenet.sharing(t, 1)
    train_expected = lenet.lenet(16)
    test_expected = lenet.sharing(train_expected, 1)
    train_forward, test_forward = compiled(lenet.forward, t), compiled(lenet.forward, test)
    train_forward.run()
    backward = compiled(lenet.backward, t)
    reference = ReferenceEngine()
    for _ in range(2):
        for each in (t, train_expected):
            lenet.clear(each)
        train_forward.run()
        backward.run()
        lenet.update(engine, t)
        test_forward.run()
        lenet.forward(reference, train_expected)
        lenet.backward(reference, train_expected)
        lenet.update(reference, train_expected)
        lenet.forward(reference, test_expected)
        np.testing.assert_allclose(numbers(test["prob"]), numbers(test_expected["prob"]), atol=1e-3)


def test_two_threads_with_a_net_each():
    t = lenet.lenet(2)
    others = [lenet.sharing(t, 2) for _ in range(2)]
    programs = [compiled(lenet.forward, other) for other in others]
    programs[0].run()
    expected = numbers(others[0]["prob"]).copy()
    failures = []

    def replay(program, tensors):
        for _ in range(20):
            program.run()
            if not np.allclose(tensors["prob"].memory.read(HOST), expected.ravel(), atol=1e-5):
                failures.append(tensors)

    threads = [threading.Thread(target=replay, args=pair) for pair in zip(programs, others, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_memory_lives_as_long_as_a_program_that_uses_it():
    t = tensors(CONVOLUTION)
    program = compiled(convolve, t)
    program.run()
    expected = numbers(t["y"]).copy()
    y = t["y"]
    del t
    gc.collect()
    program.run()
    np.testing.assert_array_equal(numbers(y), expected)


# -- fusion ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.25, -0.5])
@pytest.mark.parametrize("layer", ["convolution", "inner_product"])
def test_relu_in_place_is_fused(layer, slope):
    shapes = {**CONVOLUTION, "matrix": (6, 20), "square": (20, 20), "z": (6, 20), "dz": (6, 20)}

    def calls(engine, t):
        y = t["y"] if layer == "convolution" else t["z"]
        if layer == "convolution":
            convolve(engine, t)
        else:
            engine.inner_product(t["matrix"], t["square"], t["bias"], y, False)
        engine.relu(y, y, slope)

    assert len(agree(shapes, calls).names()) == 1


def test_relu_is_fused_over_work_elsewhere():
    def calls(engine, t):
        convolve(engine, t)
        engine.copy(t["a"], t["b"])
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({**CONVOLUTION, "a": (5,), "b": (5,)}, calls)
    assert not any("eltwise" in name for name in program.names())


@pytest.mark.parametrize("between", ["reads", "writes"])
def test_relu_is_not_fused_when_somebody_looks_before(between):
    def calls(engine, t):
        convolve(engine, t)
        pair = (t["y"], t["z"]) if between == "reads" else (t["z"], t["y"])
        engine.copy(*pair)
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)
    assert any("eltwise" in name for name in program.names())


def test_relu_into_another_blob_is_not_fused():
    def calls(engine, t):
        convolve(engine, t)
        engine.relu(t["y"], t["z"], 0.0)

    agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)


def test_what_cannot_be_planned_fused_is_done_apart():
    g = ConvolutionGeometry((2,) * 4, (1,) * 4, (0,) * 4, (1,) * 4)

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({"x": (1, 2, 3, 3, 3, 3), "weight": (2, 2, 2, 2, 2, 2), "y": (1, 2, 2, 2, 2, 2)}, calls)
    assert left_to_reference(program) == ["convolution"]
    assert len(program.names()) == 2


# -- what is not planned -----------------------------------------------------------------------------------------------


def test_float64_is_left_to_the_reference():
    x, y = new_tensor((2, 3), np.float64), new_tensor((2, 3), np.float64)
    x.memory.write(HOST)[...] = [-1, 2, -3, 4, -5, 6]
    program = compiled(lambda engine, t: engine.relu(x, y, 0.0), {})
    program.run()
    assert left_to_reference(program) == ["relu"]
    np.testing.assert_array_equal(numbers(y), [[0, 2, 0], [4, 0, 6]])


def test_calls_left_to_the_reference_between_planned_ones():
    def calls(engine, t):
        convolve(engine, t)
        engine.prelu(t["y"], t["bias"], t["z"])
        engine.convolution(t["z"], t["weight"], t["bias"], t["y"], SAME)

    program = agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)
    assert left_to_reference(program) == ["prelu"]


def test_no_calls():
    program = compiled(lambda engine, t: None, {})
    program.run()
    assert program.names() == []


def test_a_failing_step_is_an_error():
    program = compiled(convolve, tensors(CONVOLUTION))
    program.parts[0]._steps.insert(0, (lambda: 5, ()))
    with pytest.raises(InternalError, match="status 5"):
        program.run()


# -- what is made is given back ----------------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_dropped_programs_leave_nothing_behind():
    def make(count):
        for _ in range(count):
            t = tensors({"x": (2, 16, 6, 6), "weight": (16, 16, 3, 3), "y": (2, 16, 6, 6)}, seed=0)

            def calls(engine, t):
                engine.convolution(t["x"], t["weight"], None, t["y"], SAME)
                engine.relu(t["x"], t["y"], 0.0)

            compiled(calls, t).run()
        gc.collect()

    make(200)
    before = resident()
    make(2000)
    assert resident() - before < 4 << 20, "less than 2 KB for each program"
