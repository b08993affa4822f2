"""Copies that are not made, and those that must be."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, close, geometry, tensors

SAME = geometry((3, 3), pad=1)
SHAPE = (2, 16, 6, 6)
SHAPES = {"w": (16, 16, 3, 3), "slope": (16,), **dict.fromkeys("abcxyz", SHAPE)}


def copies(calls, lost=()):
    """How many copies a program makes whose every tensor but those lost is as the reference has it."""
    t, expected = tensors(SHAPES), tensors(SHAPES)
    recorder = Recorder()
    calls(recorder, t)
    keep = {t[name].memory for name in t if name not in lost}
    program = CpuEngine().compile(recorder.calls, keep)
    for _ in range(2):
        program.run()
        calls(ReferenceEngine(), expected)
    for name in t:
        if name not in lost:
            close(t[name], expected[name], name)
    return sum("reorder" in name for name in program.names())


def convolve(engine, t, x="x", y="y"):
    engine.convolution(t[x], t["w"], None, t[y], SAME)


def test_what_is_copied_before_it_is_overwritten_is_put_there():
    def calls(engine, t):
        convolve(engine, t)
        engine.copy(t["y"], t["a"])
        engine.prelu(t["y"], t["slope"], t["y"])

    in_and_out = copies(convolve)
    assert copies(calls) == in_and_out


@pytest.mark.parametrize("who", ["reads", "reads copy", "adds to copy", "comes from outside", "is not overwritten"])
def test_what_must_be_copied(who):
    def calls(engine, t):
        if who != "comes from outside":
            engine.absolute(t["x"], t["y"])
        if who == "reads copy":
            engine.absolute(t["a"], t["z"])
        engine.copy(t["y"], t["a"])
        if who == "reads":
            engine.absolute(t["y"], t["z"])
        if who == "adds to copy":
            engine.accumulate(t["x"], t["a"])
        engine.tanh(t["y"], t["y" if who != "is not overwritten" else "z"])

    assert copies(calls) == 1


def test_gradients_of_a_sum_are_read_where_they_are():
    def calls(engine, t):
        engine.absolute(t["x"], t["y"])
        engine.copy(t["y"], t["a"])
        engine.copy(t["y"], t["b"])
        engine.tanh(t["a"], t["a"])
        engine.sigmoid(t["b"], t["z"])

    assert copies(calls) == 1, "b is wanted"
    assert copies(calls, lost="b") == 0


def test_a_copy_that_nobody_reads():
    def calls(engine, t):
        engine.copy(t["y"], t["a"])
        engine.absolute(t["x"], t["a"])

    assert copies(calls) == 0


@pytest.mark.parametrize("who", ["changes the original", "adds to the copy"])
def test_copies_that_differ_before_they_are_read(who):
    def calls(engine, t):
        engine.copy(t["y"], t["a"])
        if who == "changes the original":
            engine.absolute(t["x"], t["y"])
        else:
            engine.accumulate(t["x"], t["a"])
        engine.tanh(t["a"], t["a"])

    assert copies(calls) == 1


def test_a_copy_of_itself_and_chains_of_copies():
    def calls(engine, t):
        engine.copy(t["x"], t["x"])
        engine.copy(t["x"], t["a"])
        engine.copy(t["a"], t["b"])
        engine.copy(t["b"], t["c"])

    copies(calls)
    copies(calls, lost="ab")


def test_random_programs_of_copies_and_changes(rng):
    """Whatever is copied and changed in whatever order, all tensors that are kept come out right."""
    names = "abcxy"
    for seed in range(40):
        steps = rng.integers(0, 5, (8, 3)).tolist()
        lost = {names[i] for i in range(5) if rng.random() < 0.4}

        def calls(engine, t, steps=steps):
            for kind, i, j in steps:
                x, y = t[names[i]], t[names[j]]
                if kind < 2:
                    engine.copy(x, y)
                elif kind == 2:
                    engine.tanh(x, y)
                elif kind == 3 and x is not y:
                    engine.accumulate(x, y)
                else:
                    engine.relu(x, x, 0.0)

        t, expected = tensors(dict.fromkeys(names, (4,)), seed), tensors(dict.fromkeys(names, (4,)), seed)
        recorder = Recorder()
        calls(recorder, t)
        if not recorder.calls:
            continue
        program = CpuEngine().compile(recorder.calls, {t[name].memory for name in names if name not in lost})
        program.run()
        calls(ReferenceEngine(), expected)
        for name in names:
            if t[name].memory not in program.lost:
                np.testing.assert_allclose(
                    t[name].memory.read(HOST), expected[name].memory.read(HOST), rtol=1e-5, err_msg=f"{steps} {lost}"
                )


def test_input_of_a_normalization_in_place_is_kept():
    statistics = {"mean": (16,), "variance": (16,), "weight": (1,), "deviation": (16,), "normalized": SHAPE}

    def calls(engine, t):
        kept = (t[name] for name in ("normalized", "deviation", "mean", "variance", "weight"))
        engine.batch_norm(t["x"], t["x"], *kept, 1e-3, 0.9)
        engine.batch_norm_grad(t["normalized"], t["deviation"], t["y"], t["z"])

    names = agree({**SHAPES, **statistics}, calls).names()
    assert names[0].startswith("reorder")
    assert sum(name.startswith("batch_normalization") for name in names) == 2


def test_a_copy_that_nobody_reads_is_not_made():
    def calls(engine, t):
        engine.copy(t["x"], t["copy"])
        engine.relu(t["x"], t["x"], 0.0)

    shapes = dict.fromkeys(["x", "copy"], (2, 16, 3, 3))
    assert len(agree(shapes, calls).names()) == 2
    assert len(agree(shapes, calls, keep=["x"]).names()) == 1
