"""A program goes on by one thread where all of them wait for each other, and by all when they no longer do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.engine.cpu.compile import CompiledProgram
from caffe_sdk.engine.cpu.pace import FIRST, LONGEST, RUNS, Pace
from caffe_sdk.memory import HOST
from caffe_sdk.net import Net
from caffe_sdk.net.recall import Lean
from caffe_sdk.threads import set_num_threads
from tests.bench.models import NETS
from tests.net.models import describe
from tests.net.random_nets import random_net


class Days:
    """Runs that take so long by all threads, and by one, on a clock of their own."""

    def __init__(self) -> None:
        self.pace, self.now = Pace(), 0.0

    def run(self, together: float, alone: float, computing: float = 1.0) -> bool:
        """Whether a run was made by one thread. ``computing`` is the calling thread's share of the time together."""
        how = self.pace.alone
        seconds = alone if how else together
        self.now += seconds
        self.pace.took(seconds, seconds * (1.0 if how else computing), self.now)
        return how

    def runs(self, count: int, *times: float) -> list[bool]:
        return [self.run(*times) for _ in range(count)]


def test_all_threads_compute_while_nobody_disturbs_them():
    assert not any(Days().runs(1000, 0.01, 0.02, 0.9))


def test_one_thread_goes_on_where_others_keep_it_waiting():
    days = Days()
    assert days.runs(RUNS, 0.02, 0.01, 0.4) == [False] * RUNS
    later = days.runs(500, 0.02, 0.01, 0.4)
    assert later[:RUNS] == [True] * RUNS
    assert sum(not alone for alone in later) <= 7 * RUNS  # now and then all are tried
    gaps = [i for i, alone in enumerate(later) if not alone][::RUNS]
    assert gaps[0] * 0.01 >= FIRST
    assert gaps == sorted(gaps)
    assert gaps[2] - gaps[1] > 1.5 * (gaps[1] - gaps[0])


def test_all_threads_go_on_where_one_would_take_longer_still():
    days = Days()
    made = days.runs(1000, 0.02, 0.03, 0.4)
    assert sum(made) <= 12 * RUNS
    assert made[RUNS : 2 * RUNS] == [True] * RUNS


def test_all_threads_compute_again_soon_after_they_may():
    days = Days()
    days.runs(1000, 0.02, 0.01, 0.4)
    began = days.now
    while days.run(0.005, 0.01):
        pass
    days.runs(RUNS, 0.005, 0.01)
    assert not any(days.runs(100, 0.005, 0.01))
    assert days.now - began < LONGEST + 2


def test_a_run_is_measured():
    pace = Pace()
    pace.end(pace.begin())
    assert len(pace._times[False]) == 1


def blobs(net: Net, alone: bool) -> dict[str, np.ndarray]:
    """What a net computes by one thread, or by all."""
    for found in net._executor.plan(backward=False):
        program = found.program if isinstance(found, Lean) else found
        if isinstance(program, CompiledProgram) and program._pace is not None:
            program._pace = Pace()
            program._pace.alone = alone
    net.blobs["data"].data_memory.write(HOST)[...] = np.random.default_rng(1).normal(size=net.blobs["data"].count)
    net._forward(0, len(net.layers) - 1)
    seen = net.outputs if net._executor.may_lose else net.blobs  # what is looked at is kept, and computed otherwise
    return {name: net.blobs[name].data_memory.read(HOST).copy() for name in seen}


def check_same_bits(net: Net) -> None:
    wanted = blobs(net, alone=False)
    for alone in (True, True, False):
        for name, got in blobs(net, alone).items():
            np.testing.assert_array_equal(got, wanted[name], err_msg=name)


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize(("name", "batch"), [("lenet", 1), ("lenet", 64), ("squeezenet", 1), ("squeezenet", 3)])
def test_one_thread_computes_the_same_bits(name: str, batch: int, lean: bool) -> None:
    set_num_threads(2)
    with engine.use("cpu"), Net(NETS[name](batch, False), caffe.TEST) as net:
        net._executor.may_lose = lean
        check_same_bits(net)


def test_one_thread_computes_the_same_bits_of_each_channel_by_itself() -> None:
    set_num_threads(2)
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 48 dim: 19 dim: 17 } } }
    layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param {
            num_output: 48 group: 48 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
    layer { name: "b" type: "Convolution" bottom: "a" top: "b" convolution_param {
            num_output: 64 kernel_size: 1 stride: 2 weight_filler { type: "xavier" } } }
    layer { name: "c" type: "Convolution" bottom: "b" top: "c" convolution_param {
            num_output: 24 kernel_size: 3 dilation: 2 weight_filler { type: "xavier" } } }
    layer { name: "d" type: "LRN" bottom: "c" top: "d" }
    """
    with engine.use("cpu"), Net(describe(text), caffe.TEST) as net:
        check_same_bits(net)


def check_random_net(seed: int) -> None:
    caffe.set_random_seed(seed)
    with Net(describe(random_net(np.random.default_rng(seed), 16)), caffe.TEST) as net:
        for name in net.inputs:
            net.blobs[name].data_memory.write(HOST)[...] = 1
        net._executor.may_lose = False
        check_same_bits(net)


@pytest.mark.parametrize("seed", [*range(15), 15, 122, 154, 213])
def test_one_thread_computes_the_same_bits_of_random_nets(seed: int) -> None:
    """In the last ones oneDNN normalizes by known statistics, which it does by as many threads as it was made for."""
    set_num_threads(2)
    with engine.use("cpu"):
        check_random_net(seed)


@pytest.mark.parametrize("instructions", ["AVX2", "SSE41"])
def test_one_thread_computes_the_same_bits_on_other_processors(instructions: str, root: Path) -> None:
    script = "from tests.engine.cpu import test_pace; [test_pace.check_random_net(seed) for seed in range(8)]"
    variables = {"ONEDNN_MAX_CPU_ISA": instructions, "CAFFE_NUM_THREADS": "2", "CAFFE_ENGINE": "cpu"}
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **variables}, cwd=root, check=True, timeout=120)


def test_gradients_and_statistics_are_summed_by_all_threads() -> None:
    with engine.use("cpu"), Net(NETS["lenet"](2, True), caffe.TRAIN) as net:
        forward, backward = net._executor.plan(backward=True)
        assert forward._pace is not None
        assert backward._pace is None
    with engine.use("cpu"), Net(NETS["resnet50"](2, True), caffe.TRAIN) as net:
        assert not any(program._pace for program in net._executor.plan(backward=True))
