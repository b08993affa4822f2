"""Programs that need not keep everything: rooms used again, other programs' leavings, and what is kept all the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from caffe_sdk.engine.cpu import CpuEngine
from caffe_sdk.engine.cpu.compile import CompiledProgram
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, Tensor
from tests.engine.cpu.twins import close, numbers, tensors

SAME = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
IMAGE = (2, 32, 10, 10)
ROWS = (64, 100)
SHAPES = {"weight": (32, 32, 3, 3), "bias": (32,), "e": (64,), **dict.fromkeys("xabcdy", IMAGE)}
BETWEEN = "abcde"
POISON = 0xFF  # a float of such bytes is NaN


def chain(engine: Any, t: dict[str, Tensor]) -> None:
    """Convolutions one after the other; the normalization in the middle is left to the reference."""
    engine.convolution(t["x"], t["weight"], t["bias"], t["a"], SAME)
    engine.convolution(t["a"], t["weight"], t["bias"], t["b"], SAME)
    engine.relu(t["b"], t["b"], 0.0)
    engine.mvn(t["b"].reshaped(*ROWS), t["c"].reshaped(*ROWS), t["e"], 1e-9)
    engine.convolution(t["c"], t["weight"], t["bias"], t["d"], SAME)
    engine.add_all([t["d"], t["a"]], t["y"])


def program_of(t: dict[str, Tensor], keep: str) -> CompiledProgram:
    recorder = Recorder()
    chain(recorder, t)
    program = CpuEngine().compile(recorder.calls, {t[name].memory for name in keep})
    assert isinstance(program, CompiledProgram)
    return program


def poison(program: CompiledProgram) -> None:
    """Let everything the program has for itself be NaN."""
    area = program.arena._area
    assert area is not None
    area[...] = POISON


def test_what_nobody_wants_is_lost_and_takes_no_memory_of_its_own() -> None:
    t = tensors(SHAPES)
    program = program_of(t, "y")
    assert {name for name in BETWEEN if t[name].memory in program.lost} == set(BETWEEN)
    assert program.allocated() == 0
    program.run()
    assert all(t[name].memory.allocated() == 0 for name in BETWEEN if not t[name].memory.fresh)
    assert program.allocated() == program.nbytes
    assert program.scratch < program.nbytes


def test_a_long_chain_takes_no_more_than_a_short_one() -> None:
    def room_of(length: int) -> int:
        names = [f"y{i}" for i in range(length + 1)]
        t = tensors({"weight": SHAPES["weight"], **dict.fromkeys(names, IMAGE)})
        recorder = Recorder()
        for x, y in pairwise(names):
            recorder.convolution(t[x], t["weight"], None, t[y], SAME)
        program = CpuEngine().compile(recorder.calls, {t[names[-1]].memory})
        return program.nbytes - program.scratch

    assert 0 < room_of(30) == room_of(4)


def test_results_do_not_depend_on_what_was_in_the_area() -> None:
    t, expected = tensors(SHAPES), tensors(SHAPES)
    chain(ReferenceEngine(), expected)
    program = program_of(t, "y")
    program.run()
    close(t["y"], expected["y"])
    for _ in range(2):
        poison(program)
        t["y"].memory.clear()
        program.run()
        close(t["y"], expected["y"])


@pytest.mark.parametrize("kept", [*BETWEEN, "ace", "bd"])
def test_what_is_kept_is_kept(kept: str) -> None:
    t, expected = tensors(SHAPES), tensors(SHAPES)
    chain(ReferenceEngine(), expected)
    program = program_of(t, kept + "y")
    program.run()
    poison(program)
    for name in kept + "y":
        close(t[name], expected[name], name)


def test_a_program_that_gave_its_area_back_runs_again() -> None:
    t, expected = tensors(SHAPES), tensors(SHAPES)
    chain(ReferenceEngine(), expected)
    program = program_of(t, "y")
    program.run()
    program.release()
    assert program.allocated() == 0
    t["x"].memory.update(HOST)[...] *= 1
    program.run()
    close(t["y"], expected["y"])


def test_two_programs_do_not_share_an_area() -> None:
    t, expected = tensors(SHAPES), tensors(SHAPES)
    chain(ReferenceEngine(), expected)
    first, second = program_of(t, "y"), program_of(t, "by")
    first.run()
    second.run()
    poison(first)
    close(t["b"], expected["b"])
    assert np.isfinite(numbers(t["y"])).all()
