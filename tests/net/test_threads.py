"""Nets in several threads: of their own weights, and clones that share one set."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.engine import names, use
from caffe_sdk.errors import HandleError
from caffe_sdk.memory import HOST, SyncedMemory
from caffe_sdk.net import Net
from caffe_sdk.solver import SGDSolver
from tests.net.models import CLASSIFIER, classifier, describe

THREADS, ROUNDS = 4, 12
TRAIN, TEST = caffe.TRAIN, caffe.TEST


@pytest.fixture(params=names())
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    with use(request.param):
        yield


def together(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What the function gives for 0, 1, ... in as many threads, all let go at the same moment."""
    gate = threading.Barrier(threads)

    def run(number: int) -> Any:
        gate.wait(20)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return [future.result(60) for future in [pool.submit(run, i) for i in range(threads)]]


def inputs(number: int, batch: int = 4) -> dict[str, Any]:
    data = np.random.default_rng(number).normal(size=(batch, 1, 8, 8))
    return {"data": data, "label": np.arange(batch) % 5}


def test_a_clone_computes_the_same_with_the_same_weights(engine: None) -> None:
    net = classifier(TEST)
    twin = net.clone()
    assert str(twin) == str(net)
    assert twin.phase == net.phase
    expected = np.array(net.forward(**inputs(1))["prob"])
    np.testing.assert_array_equal(twin.forward(**inputs(1))["prob"], expected)
    twin.forward(**inputs(2))
    np.testing.assert_array_equal(net.blobs["prob"].data, expected)  # blobs are its own
    net.params["fc"][0].data[...] = 0
    net.params["fc"][1].data[...] = 0
    assert (twin.forward(**inputs(1))["prob"] == np.float32(0.2)).all()
    for name, blobs in net.params.items():
        for mine, its in zip(blobs, twin.params[name], strict=True):
            assert mine.data_memory is its.data_memory
            assert not mine.data_memory.held_once  # what one lets go of another may be reading
            assert mine.diff_memory is not its.diff_memory


def test_a_clone_is_of_the_shapes_and_rules_of_the_net() -> None:
    rule = CLASSIFIER.replace('name: "relu" type: "ReLU"', 'name: "relu" type: "ReLU" include { stage: "deep" }')
    net = Net(describe(rule), "test", stages=["deep"])
    net.blobs["data"].reshape(7, 1, 8, 8)
    net.blobs["label"].reshape(7)
    twin = net.clone()
    assert "relu" in twin.layer_dict
    assert twin.blobs["prob"].shape == (7, 5)
    assert Net(describe(rule), TEST, dtype=np.float64).clone().blobs["data"].dtype == np.float64


def test_weights_nobody_has_looked_at_yet_are_the_same_in_a_clone() -> None:
    net = Net(describe(), TEST)
    twin = net.clone()
    assert np.array_equal(twin.params["conv"][0].data, net.params["conv"][0].data)


def test_clones_outlive_the_net_and_memory_goes_with_the_last() -> None:
    net = classifier(TEST)
    twin = net.clone()
    expected = np.array(twin.forward(**inputs(1))["prob"])
    weights = weakref.ref(net.params["conv"][0].data_memory)
    net.close()
    with pytest.raises(HandleError, match="the net was closed"):
        net.clone()
    np.testing.assert_array_equal(twin.forward(**inputs(1))["prob"], expected)
    twin.close()
    assert weights() is None  # at once, without the collector of garbage


def test_close_gives_memory_back_at_once() -> None:
    gc.disable()
    try:
        with classifier(TRAIN) as net:
            net.forward_backward()
            memories = [weakref.ref(memory) for memory in net._parts.memories()]
        assert [memory() for memory in memories] == [None] * len(memories)
    finally:
        gc.enable()


def test_clones_in_threads(engine: None) -> None:
    """Each thread has a batch size of its own, and so perhaps other layouts of the weights it shares."""
    net = classifier(TEST)
    net.params["conv"][0].data[...] *= 2
    expected = []
    for i in range(THREADS):
        with net.clone() as alone:
            for name, value in inputs(i, i + 1).items():
                alone.blobs[name].reshape(*value.shape)
            expected.append(np.array(alone.forward(**inputs(i, i + 1))["prob"]))
    held = net.params["fc"][0].data  # a view that somebody holds all the time
    for _ in range(ROUNDS):
        fresh = classifier(TEST)
        fresh.copy_weights(net.to_weights(), "net")
        clones = [fresh.clone() for _ in range(THREADS)]

        def work(i: int, clones: list[Net] = clones) -> Any:
            for name, value in inputs(i, i + 1).items():
                clones[i].blobs[name].reshape(*value.shape)
            return [np.array(clones[i].forward(**inputs(i, i + 1))["prob"]) for _ in range(5)]

        for found, wanted in zip(together(work), expected, strict=True):
            for each in found:
                np.testing.assert_allclose(each, wanted, rtol=1e-6)
    assert held.shape == (5, 54)


def test_nets_built_and_run_in_threads(engine: None) -> None:
    def work(i: int) -> Any:
        with Net(describe(), TEST) as net:
            for blobs in net.params.values():
                for blob in blobs:
                    blob.data[...] = np.linspace(-1, 1, blob.count).reshape(blob.shape)
            return np.array(net.forward(**inputs(1))["prob"])

    found = together(work)
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


def test_solvers_in_threads(engine: None, tmp_path: Path) -> None:
    """Each learns what it learns alone."""
    (tmp_path / "net.prototxt").write_text(
        """
        layer { name: "data" type: "DummyData" top: "data" top: "label"
                dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 }
                                   data_filler { value: 1 } data_filler { value: 2 } } }
        layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
                inner_product_param { num_output: 5 weight_filler { type: "constant" value: 0.1 } } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
        """
    )
    (tmp_path / "solver.prototxt").write_text(f'net: "{tmp_path}/net.prototxt" base_lr: 0.5 lr_policy: "fixed"')

    def work(i: int) -> Any:
        solver = SGDSolver(tmp_path / "solver.prototxt")
        solver.step(20)
        return np.array(solver.net.params["fc"][0].data)

    alone = work(0)
    for found in together(work):
        np.testing.assert_allclose(found, alone, rtol=1e-6)


def test_first_values_are_made_once_for_all_who_wait() -> None:
    for _ in range(200):
        calls: list[int] = []

        def fill(array: Any, calls: list[int] = calls) -> None:
            calls.append(1)
            array[...] = 7

        memory = SyncedMemory(2000)
        memory.begin_with(fill)
        assert {float(sum(found)) for found in together(lambda _, m=memory: m.read(HOST).copy(), 2)} == {14000}
        assert len(calls) == 1


FIRST = """
import sys, threading
sys.setswitchinterval(1e-5)
from tests.net.test_threads import Net, TEST, describe, inputs, together
print(together(lambda _: Net(describe(), TEST).forward(**inputs(1))["prob"].shape))
"""


def test_the_first_nets_of_a_process_in_threads(root: Path) -> None:
    """Engine and library are made when somebody first computes, here several at once."""
    done = subprocess.run([sys.executable, "-c", FIRST], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(4, 5)") == THREADS
