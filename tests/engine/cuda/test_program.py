"""Programs are captured once and replayed, see new numbers, and find buffers that moved."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.program import CudaProgram
from caffe_sdk.engine.cuda.structures import MOST_STREAMS
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import DataError
from caffe_sdk.memory import HOST, new_tensor
from tests.engine.cuda.twins import get, put, simulated, tensors

SHAPES = {"x": (3, 4), "w": (2, 4), "b": (2,), "y": (3, 2)}


def made(engine=None):
    engine, t, recorder = engine or simulated(), tensors(SHAPES), Recorder()
    recorder.where = "ip"
    recorder.inner_product(t["x"], t["w"], t["b"], t["y"], False)
    recorder.relu(t["y"], t["y"], 0.0)
    return engine, t, engine.compile(recorder.calls)


def expected(t):
    return np.maximum(get(t["x"]) @ get(t["w"]).T + get(t["b"]), 0)


def captures(engine):
    """Count what a device captures."""
    counted, capture = [], engine.device.capture
    engine.device.capture = lambda work: (counted.append(1), capture(work))[1]
    return counted


def test_a_replay_sees_new_numbers():
    engine, t, program = made()
    counted = captures(engine)
    for scale in (1, 2, 3, 4):
        put(t["x"], np.arange(12) * scale - 5)
        program.run()
        np.testing.assert_allclose(get(t["y"]), expected(t), rtol=1e-5)
    assert len(counted) == 1


def test_what_moved_is_found():
    engine, t, program = made()
    counted = captures(engine)
    for forgotten in (None, None, "y", "x", "w", None):
        if forgotten:
            values = get(t[forgotten]).copy()
            t[forgotten].memory.forget()
            put(t[forgotten], values)
        program.run()
        np.testing.assert_allclose(get(t["y"]), expected(t), rtol=1e-5)
    assert len(counted) <= 4
    other = tensors({"z": (1,)})["z"]
    other.memory.read(engine.place)
    other.memory.forget()  # not of this program: its addresses are looked at and found the same
    before = len(counted)
    program.run()
    assert len(counted) == before


def test_less_scratch_memory_is_captured_anew():
    engine, t, program = made()
    counted = captures(engine)
    program.run()
    program.run()
    engine.release_scratch()
    program.run()
    program.run()
    assert len(counted) == 2
    np.testing.assert_allclose(get(t["y"]), expected(t), rtol=1e-5)


def test_a_release_lets_go_of_the_replay():
    engine, t, program = made()
    counted = captures(engine)
    program.run()
    program.run()
    program.release()
    program.run()
    assert len(counted) == 2
    np.testing.assert_allclose(get(t["y"]), expected(t), rtol=1e-5)


def test_only_what_has_changed_is_brought():
    engine, t, program = made()
    brought, bring = [], engine.bring
    engine.bring = lambda memory, place: (brought.append(memory), bring(memory, place))[1]
    for changed in ("", "", "", "x", "x w", "", "b"):
        for name in changed.split():
            put(t[name], 2 * get(t[name]))
        t["b"].memory.clear() if changed == "b" else None
        brought.clear()
        program.run()
        if changed or len(brought) != 3:  # at the first replay all are
            assert brought == [t[name].memory for name in changed.split()]
        np.testing.assert_allclose(get(t["y"]), expected(t), rtol=1e-5)


def losing(engine):
    """A program that loses what is between x and y."""
    t, r = tensors({"x": (2, 50), "a": (2, 50), "b": (2, 50), "y": (2, 50)}), Recorder()
    r.scale(t["x"], t["a"], 2.0)
    r.scale(t["a"], t["b"], 2.0)
    r.scale(t["b"], t["y"], 2.0)
    return t, engine.compile(r.calls, keep={t["y"].memory})


def test_what_is_lost_has_room_in_the_program_only():
    engine = simulated()
    t, program = losing(engine)
    assert program.lost == {t["a"].memory, t["b"].memory}
    assert program.nbytes == 512 + 400
    assert {memory for memory, _ in program.needs()} == {t["x"].memory, t["y"].memory}
    counted = captures(engine)
    for value in range(4):
        put(t["x"], np.full(100, value))
        program.run()
        np.testing.assert_array_equal(get(t["y"]), 8 * get(t["x"]))
        assert t["a"].memory.allocated() == t["b"].memory.allocated() == 0
        assert program.allocated() == program.nbytes
    program.release()
    assert program.allocated() == 0
    program.run()
    np.testing.assert_array_equal(get(t["y"]), 24)
    assert len(program.timed()) == 3
    assert len(counted) == 2


def test_who_watches_is_told_before_anything_is_computed_or_captured():
    """What is done because of it, as copying what was there, is not to be part of a step or of the replay."""

    class Watcher:
        def __init__(self):
            self.seen = []

        def before_change(self, memory):
            self.seen.append((engine.device._captured, engine.where))

    engine, t, program = made()
    for _ in range(3):
        watcher = Watcher()
        t["y"].memory.watch(watcher)
        program.run()
        assert watcher.seen == [(None, "")]


def drawing(engine, rng, layers):
    """A program of several layers that draw from one generator; its masks."""
    t, recorder = tensors({"x": (4, 5, 5), "y": (4, 5, 5)}), Recorder()
    put(t["x"], np.arange(100))
    masks = [new_tensor((4, 5, 5)) for _ in range(layers)]
    for mask in masks:
        recorder.dropout(t["x"], t["y"], mask, 0.5, rng)
    pooled, chosen = new_tensor((4, 1, 3, 3)), new_tensor((4, 1, 3, 3), np.int32)
    geometry = PoolingGeometry((2, 2), (2, 2), (0, 0))
    recorder.stochastic_pool(t["x"].reshaped(4, 1, 5, 5), pooled, chosen, geometry, rng)
    return engine.compile(recorder.calls), [*masks, pooled]


@pytest.mark.parametrize("layers", [1, MOST_STREAMS + 2])
def test_what_draws_is_replayed_with_the_numbers_of_the_host(layers):
    """From run to run, and when somebody else draws, or sets the generator back, in between."""
    engine, made = simulated(), []
    counted = captures(engine)
    for computing in (ReferenceEngine(), engine):
        rng = np.random.default_rng(1)
        program, results = drawing(computing, rng, layers)
        rows = []
        for i in range(6):
            program.run()
            rows += [get(result).copy() for result in results]
            if i == 3:
                rows.append(rng.random(3, np.float32))
            if i == 4:
                rng.bit_generator.state = np.random.default_rng(9).bit_generator.state
        made.append([*rows, rng.random(3)])
    assert len(counted) == 1
    for wanted, got in zip(*made, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_steps_are_named_and_timed():
    _engine, t, program = made()
    (step,) = program.steps()
    assert step.means == "rectified_inner_product"
    assert [call.name for call in step.calls] == ["inner_product", "relu"]
    ticks = iter(range(100))
    assert program.timed(lambda: float(next(ticks))) == [1.0]
    np.testing.assert_allclose(get(t["y"]), expected(t), rtol=1e-5)


def test_what_is_wrong_with_numbers_names_the_layer():
    engine, t, recorder = simulated(), tensors({"p": (2, 3), "label": (2,), "loss": ()}), Recorder()
    recorder.where = "layer 'loss'"
    recorder.softmax_loss(t["p"], t["label"], t["loss"], 1, None, "VALID")
    program = engine.compile(recorder.calls)
    assert isinstance(program, CudaProgram)
    put(t["p"], np.full(6, 1 / 3))
    for label, message in (([0, 3], "3 is not one of 3 classes; give 0 to 2"), ([-1, 0], "-1 is not one of 3")):
        put(t["label"], label)
        with pytest.raises(DataError, match=f"^layer 'loss': label: {message}"):
            program.run()
    put(t["label"], [0, 2])
    program.run()
    assert get(t["loss"]) == pytest.approx(np.log(3))


def test_numbers_it_needs_may_be_known_to_be_zero():
    _engine, t, program = made()
    program.run()
    t["x"].memory.clear()
    program.run()
    np.testing.assert_allclose(get(t["y"]), np.maximum(np.tile(get(t["b"]), (3, 1)), 0), rtol=1e-5)
    assert HOST in t["y"].memory.fresh


def test_what_comes_between_may_end_a_run():
    _, t, program = made()

    class Enough(Exception):
        pass

    def enough():
        raise Enough

    for _ in range(3):
        with pytest.raises(Enough):
            program.run(enough)
        program.run(lambda: None)
        np.testing.assert_allclose(get(t["y"]), expected(t), rtol=1e-5)
