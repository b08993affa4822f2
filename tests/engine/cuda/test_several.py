"""Several GPUs in one process: nets stay where they were made, blobs move between them, memory is given back."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine, mode
from caffe_sdk.engine.cuda import simulated
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, transfers
from tests.engine.cuda.mocked import fail, install, mock

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
"""


@pytest.fixture(params=["cuda", "simulated"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """GPU mode on several GPUs that are none."""
    before = transfers.copy()
    install(monkeypatch)
    monkeypatch.setenv("CAFFE_ENGINE", request.param)
    caffe.set_mode_gpu()
    yield request.param
    mode.set_mode_cpu()
    transfers.clear()
    transfers.update(before)


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "net.prototxt").write_text(NET)
    return str(tmp_path / "net.prototxt")


def made_on(device: int, path: str) -> caffe.Net:
    caffe.set_device(device)
    return caffe.Net(path, caffe.TEST)


def computed_at(net: caffe.Net) -> set[str]:
    net.forward(data=np.ones((2, 3)))
    return {place.name for place in net.blobs["ip"].data_memory.places if place is not HOST}


def test_a_net_stays_where_it_was_made(kind: str, path: str) -> None:
    nets = [made_on(device, path) for device in (0, 1, 0)]
    for _ in range(3):
        assert [computed_at(net) for net in nets] == [{kind}, {f"{kind}:1"}, {kind}]
    with engine.use("reference"):
        assert computed_at(nets[1]) == {f"{kind}:1"}
        nets[1].blobs["data"].data[...] = 2
        expected = nets[1].forward()["ip"].copy()
    np.testing.assert_allclose(nets[1].forward()["ip"], expected, rtol=1e-6)
    assert nets[1].clone().engine.name == f"{kind}:1"


def test_a_net_made_before_the_mode_is_chosen_goes_where_the_mode_is(
    kind: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAFFE_ENGINE", "reference")
    caffe.set_mode_cpu()
    net = caffe.Net(path, caffe.TEST)
    assert computed_at(net) == set()
    monkeypatch.setenv("CAFFE_ENGINE", kind)
    caffe.set_device(1)
    caffe.set_mode_gpu()
    assert computed_at(net) == {f"{kind}:1"}


def test_weights_go_straight_from_one_gpu_to_the_other(kind: str, path: str) -> None:
    one, other = made_on(0, path), made_on(1, path)
    one.forward(data=np.ones((2, 3)))
    other.share_with(one)
    weights = one.params["ip"][0].data_memory
    weights.update(one.engine.place)
    transfers.clear()
    result = other.forward(data=np.ones((2, 3)))["ip"]
    assert transfers[kind, f"{kind}:1"] == 2  # weights and bias
    assert transfers[kind, "host"] == 0
    np.testing.assert_array_equal(result, one.forward()["ip"])


def test_a_thread_computes_on_its_own_gpu(kind: str, path: str) -> None:
    found: dict[int, list[set[str]]] = {}
    begin = threading.Barrier(2)

    def work(device: int) -> None:
        caffe.set_device(device)
        caffe.set_mode_gpu()
        net = caffe.Net(path, caffe.TEST)
        begin.wait()
        found[device] = [computed_at(net) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(device,)) for device in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: [{kind}] * 20, 1: [{f"{kind}:1"}] * 20}


def test_only_the_chosen_gpu_is_touched(kind: str, path: str) -> None:
    assert computed_at(made_on(1, path)) == {f"{kind}:1"}
    assert set(engine.selection._made) == {f"{kind}:1"}


def test_memory_is_flat_over_200_nets(kind: str, path: str) -> None:
    gc.collect()
    gc.disable()  # nothing is left to it
    try:
        used = set()
        for i in range(200):
            net = made_on(i % 2, path)
            net.forward(data=np.ones((2, 3)))
            if i % 2:
                net.forward()
                net.forward()
            if i > 20:
                used.add(mock().mock_used() if kind == "cuda" else simulated.used())
            del net
    finally:
        gc.enable()
    assert len(used) == 1


@pytest.mark.usefixtures("kind")
def test_what_a_net_held_is_given_back(path: str) -> None:
    gc.collect()
    net = made_on(1, path)
    net.forward(data=np.ones((2, 3)))
    before = mock().mock_used() + simulated.used()
    net.close()
    assert mock().mock_used() + simulated.used() < before


@pytest.mark.parametrize("kind", ["cuda"], indirect=True)
@pytest.mark.parametrize("name", ["cuEventCreate", "cuEventRecord", "cuStreamWaitEvent", "cuMemcpyPeerAsync"])
def test_a_way_between_gpus_that_fails_is_said(kind: str, name: str, path: str) -> None:
    one, other = made_on(0, path), made_on(1, path)
    computed_at(one)
    computed_at(other)
    memory = one.blobs["ip"].data_memory
    memory.update(one.engine.place)
    fail(name, 999)
    with pytest.raises(DeviceError, match=f"{name}: CUDA_ERROR_UNKNOWN"):
        memory.read(other.engine.place)
    assert memory.read(other.engine.place)


def test_memory_that_ends_names_the_layer_at_every_run(kind: str, path: str) -> None:
    """At the first run, at one that replays, and at the update of the weights."""
    net = made_on(1, path)
    device = net.engine.device
    for _ in range(3):
        net.forward(data=np.ones((2, 3)))
    weights = net.params["ip"][0]
    weights.data[...] = 1
    weights.data_memory.forget()
    with full(device), pytest.raises(DeviceError, match=r"layer 'ip' .InnerProduct.: memory: 48 bytes cannot be had"):
        net.forward()
    net.forward()


def test_memory_that_ends_in_an_update_says_so(kind: str, path: str, tmp_path: Path) -> None:
    caffe.set_device(1)
    text = Path(path).read_text() + 'layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "ip" top: "loss" }'
    (tmp_path / "train.prototxt").write_text(text)
    (tmp_path / "solver.prototxt").write_text(f'net: "{tmp_path}/train.prototxt"\nbase_lr: 0.1 lr_policy: "fixed"')
    solver = caffe.SGDSolver(str(tmp_path / "solver.prototxt"))
    solver.net.forward()
    solver.net.backward()
    with (
        full(solver.net.engine.device),
        pytest.raises(DeviceError, match=r"^update of the weights: memory: 48 bytes cannot be had"),
    ):
        solver.apply_update()
    solver.step(2)


@contextmanager
def full(device: Any) -> Iterator[None]:
    """No memory is left on a device."""
    allocate = device.allocate

    def refuse(nbytes: int) -> None:
        raise DeviceError("memory", f"{nbytes:,} bytes cannot be had", "use a smaller batch or input")

    device.allocate = refuse
    try:
        yield
    finally:
        device.allocate = allocate


def test_timers_wait_for_gpus(kind: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call only asks for is measured too."""
    net = made_on(1, path)
    net.forward(data=np.ones((2, 3)))
    device, waited = net.engine.device, []
    monkeypatch.setattr(device, "wait", lambda: waited.append(device))
    timer = caffe.Timer()
    timer.start()
    net._forward(0, 2)
    timer.stop()
    assert waited == [device] * 2
    assert timer.ms >= 0
