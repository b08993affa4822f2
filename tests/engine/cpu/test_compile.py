"""Whole programs: chains of calls, who else may touch the memories between runs, and what replaying costs."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.cpu.compile import FUSED, PLANNERS
from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.engine.operation import OPERATIONS
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import InternalError
from caffe_sdk.memory import HOST, new_tensor, transfers
from caffe_sdk.threads import set_num_threads
from tests.engine.cpu import lenet
from tests.engine.cpu.twins import agree, close, compiled, geometry, left_to_reference, numbers, tensors

POINT = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))
SAME = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
CONVOLUTION = {"x": (2, 20, 6, 6), "weight": (20, 20, 3, 3), "bias": (20,), "y": (2, 20, 6, 6)}


def convolve(engine, t):
    engine.convolution(t["x"], t["weight"], t["bias"], t["y"], SAME)


def test_every_planner_is_of_an_operation():
    assert set(PLANNERS) <= set(OPERATIONS)
    assert not set(FUSED) & set(OPERATIONS)


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
        assert set(to_and_from_host.values()) <= {1}, "pool2 as a matrix, and its gradient back"
    for name in ("weight1", "weight2", "weight3", "weight4"):
        assert len(t[name].memory.fresh) == 1
        assert t[f"h{name}"].memory.fresh <= t[f"d{name}"].memory.fresh


def test_inference_brings_weights_once():
    t = lenet.lenet(4)
    forward = compiled(lenet.forward, t)
    forward.run()
    transfers.clear()
    forward.run()
    assert transfers["onednn", "host"] <= 1, "pool2 as a matrix"
    assert transfers["host", "onednn"] == 0


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
        engine.im2col(t["y"], t["z"], POINT)
        engine.convolution(t["z"], t["weight"], t["bias"], t["y"], SAME)

    program = agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)
    assert left_to_reference(program) == ["im2col"]


def test_no_calls():
    program = compiled(lambda engine, t: None, {})
    program.run()
    assert program.names() == []


def test_a_failing_step_is_an_error():
    program = compiled(convolve, tensors(CONVOLUTION))
    program.parts[0]._planned.insert(0, (lambda: (lambda: 5, ()), ()))
    with pytest.raises(InternalError, match="status 5"):
        program.run()


@pytest.mark.parametrize("batch", [0, 1])
def test_empty_batches(batch):
    g, pool = geometry((3, 3)), PoolingGeometry((2, 2), (2, 2), (0, 0))
    shapes = {
        "x": (batch, 16, 8, 8),
        "weight": (16, 16, 3, 3),
        "y": (batch, 16, 6, 6),
        "dx": (batch, 16, 8, 8),
        "pooled": (batch, 16, 3, 3),
        "mask": (batch, 16, 3, 3),
        "dy": (batch, 16, 6, 6),
        "dweight": (16, 16, 3, 3),
        "out": (batch, 5),
        "weight2": (5, 144),
        "dout": (batch, 5),
        "dpooled": (batch, 16, 3, 3),
        "dweight2": (5, 144),
        "dbias2": (5,),
    }

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.relu(t["y"], t["y"], 0.0)
        engine.max_pool(t["y"], t["pooled"], t["mask"], pool)
        engine.inner_product(t["pooled"].reshaped(batch, 144), t["weight2"], None, t["out"], False)
        matrix, gradient = t["pooled"].reshaped(batch, 144), t["dpooled"].reshaped(batch, 144)
        engine.inner_product_grad_weight(matrix, t["dout"], t["dweight2"], t["dbias2"], False)
        engine.inner_product_grad_data(t["dout"], t["weight2"], gradient, False)
        engine.max_pool_grad(t["dpooled"], t["mask"], t["dy"], pool)
        engine.relu_grad(t["y"], t["dy"], t["dy"], 0.0)
        engine.convolution_grad_weight(t["x"], t["dy"], t["dweight"], None, g)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    agree(shapes, calls)


def test_a_tensor_that_is_part_of_a_memory():
    t = tensors({"x": (10,), "y": (10,)})
    before = numbers(t["y"]).copy()
    x, y = t["x"].reshaped(6), t["y"].reshaped(6)
    program = compiled(lambda e, t: e.relu(x, y, 0.0), t)
    program.run()
    assert left_to_reference(program) == ["relu"]
    np.testing.assert_array_equal(numbers(t["y"])[6:], before[6:])


# -- what is made is given back ----------------------------------------------------------------------------------------


@pytest.fixture
def one_thread():
    """One thread, so that many small steps are quick on busy cores too."""
    set_num_threads(1)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_dropped_programs_leave_nothing_behind(one_thread):
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
