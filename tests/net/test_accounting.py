"""What a net says it will take is what it takes, to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.net import Net
from caffe_sdk.net.accounting import Memory
from tests.bench import models
from tests.net.models import describe
from tests.net.random_nets import random_net

ENGINES = ("cpu", "reference", "fake", "simulated")


def run(net: Net) -> None:
    for name in net.inputs:
        net.blobs[name].data[...] = 1
    net.forward()
    if net.phase == caffe.TRAIN:
        net.backward()


def agrees(net: Net) -> None:
    """Nothing is allocated for the plan, and exactly what it says by running."""
    before = [memory.places for memory in net._parts.memories()]
    assert sum(map(len, before)) <= len(net.blob_loss_weights), "only what losses weigh"
    planned = net.memory
    assert [memory.places for memory in net._parts.memories()] == before
    for _ in range(3):
        run(net)
        assert net.allocated() == planned


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_lenet_takes_what_it_says(name: str, phase: int) -> None:
    with engine.use(name), Net(models.lenet(2, train=phase == caffe.TRAIN), phase) as net:
        agrees(net)


@pytest.mark.parametrize(("model", "phase"), [("googlenet", caffe.TEST), ("resnet50", caffe.TEST)])
def test_large_nets_take_what_they_say(model: str, phase: int) -> None:
    with engine.use("cpu"), Net(models.NETS[model](1, False), phase) as net:
        agrees(net)
        kept = sum(4 * blob.count for blob in net.blobs.values())
        assert net.memory.activations < kept / 4


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
@pytest.mark.parametrize("name", ["cpu", "simulated"])
def test_random_nets_take_what_they_say(name: str, seed: int, phase: int) -> None:
    text = "force_backward: true\n" + random_net(np.random.default_rng(seed), 12)
    with engine.use(name), Net(describe(text), phase) as net:
        agrees(net)


def test_a_layer_on_the_host_in_the_middle() -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 8 dim: 6 dim: 6 } } }
    layer { name: "c" type: "Convolution" bottom: "x" top: "c"
            convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "xavier" } } }
    layer { name: "arg" type: "Filter" bottom: "c" bottom: "select" top: "some" }
    layer { name: "d" type: "Convolution" bottom: "some" top: "d"
            convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "xavier" } } }
    layer { name: "select" type: "Input" top: "select" input_param { shape { dim: 2 } } }
    """
    layers = text.split("layer {")
    with engine.use("cpu"), Net(describe("layer {".join([layers[0], layers[5], *layers[1:5]])), caffe.TEST) as net:
        agrees(net)


def test_another_batch_takes_another_amount() -> None:
    with engine.use("cpu"), Net(models.lenet(2, train=False), caffe.TEST) as net:
        small = net.memory
        net.blobs["data"].reshape(10, 1, 28, 28)
        large = net.memory
        assert large.activations > 4 * small.activations
        run(net)
        assert net.allocated() == large
        assert large.parameters == small.parameters


def test_what_users_look_at_is_allocated_beyond_the_plan() -> None:
    with engine.use("cpu"), Net(models.lenet(2, train=False), caffe.TEST) as net:
        planned = net.memory
        run(net)
        _ = net.blobs["conv1"].data
        assert net.allocated().activations > planned.activations
        assert net.allocated().parameters == planned.parameters


def test_closing_gives_everything_back() -> None:
    with engine.use("cpu"):
        net = Net(models.lenet(2, train=True), caffe.TRAIN)
        run(net)
        net.close()
        with pytest.raises(caffe.errors.HandleError):
            _ = net.memory


def test_it_prints_as_a_table() -> None:
    lines = str(Memory(parameters=4096, activations=10, gradients=0, workspace=0)).splitlines()
    assert [line.split()[0] for line in lines] == [
        "parameters:",
        "activations:",
        "gradients:",
        "workspace:",
        "together:",
    ]
    assert "4,106 bytes" in lines[-1]


def test_a_thousand_runs_take_no_more_than_a_hundred() -> None:
    """Measured from outside, in a process of its own."""
    script = """
import numpy as np
import caffe_sdk as caffe
from tests.bench import models

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

nets = [caffe.Net(models.lenet(1, train), phase) for train, phase in ((False, caffe.TEST), (True, caffe.TRAIN))]
for i in range(1000):
    for net in nets:
        net.blobs["data"].data[...] = i
        net.forward()
        if net.phase == caffe.TRAIN:
            net.backward()
    if i == 100:
        before = resident()
print(resident() - before)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc on this system")
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, "-c", script], env=alone, capture_output=True, text=True, check=True)
    assert int(result.stdout) <= 64, "pages"
