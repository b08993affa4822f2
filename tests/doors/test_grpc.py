"""The gRPC door: what a client gets is what a session in one's own process gives, results and errors alike."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from caffe_sdk import client
from caffe_sdk.app.descriptions import Objects
from caffe_sdk.app.paths import Inside
from caffe_sdk.app.session import Session
from caffe_sdk.client import Client, ServerFile
from caffe_sdk.errors import (
    ArgumentError,
    BridgeError,
    CaffeError,
    CancelledError,
    HandleError,
    InternalError,
    LimitError,
)
from caffe_sdk.rpc import pb
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server.native.replies import event_message
from caffe_sdk.server.services import services
from tests.app.texts import NET, SOLVER

LOCAL = "127.0.0.1:0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with start(Options(LOCAL, models=str(tmp_path_factory.mktemp("models")), grace=1)) as server:
        yield server


@pytest.fixture
def remote(server: RunningServer) -> Iterator[Client]:
    with client.connect(server.address) as remote:
        yield remote
    server.session.reset()


@pytest.fixture
def folder(server: RunningServer) -> Path:
    paths = server.session.paths
    assert isinstance(paths, Inside)
    assert paths.folder is not None
    return paths.folder


def fill(solver: client.RemoteSolver, rng: np.random.Generator) -> None:
    """Give the nets of SOLVER something to learn."""
    for net in (solver.net, *solver.test_nets):
        net.blobs["data"].data = rng.random((8, 10), np.float32)
        net.blobs["label"].data = np.arange(8) % 3


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


# -- the same as locally -----------------------------------------------------------------------------------------------


def test_a_net_computes_the_same(remote: Client, rng: np.random.Generator) -> None:
    local = Session()
    here = local.create_net(text=NET)
    there = remote.net(NET, weights=local.net_bytes(here))
    images, gradients = rng.random((4, 1, 6, 6), np.float32), rng.random((4, 5), np.float32)
    mine = local.forward(here, {"data": images}, blobs=["conv"])
    its = there.forward(data=images, blobs=["conv"])
    assert list(its) == list(mine)
    for name, values in mine.items():
        np.testing.assert_array_equal(its[name], values)
    mine, its = local.backward(here, {"prob": gradients}), there.backward(prob=gradients)
    assert list(its) == list(mine) == ["data"]
    np.testing.assert_array_equal(its["data"], mine["data"])
    np.testing.assert_array_equal(there.params["conv"][0].diff, local.get_blob(here, ("conv", 0), "diff"))
    assert there.to_bytes() == local.net_bytes(here)


def test_a_net_looks_the_same(remote: Client) -> None:
    local = Session()
    mine, its = local.describe_net(local.create_net(text=NET)), remote.net(NET)
    assert (its.name, its.phase, tuple(its.inputs), tuple(its.outputs)) == (mine.name, 1, mine.inputs, mine.outputs)
    assert its.shapes() == dict(mine.blobs)
    assert list(its.blobs) == list(dict(mine.blobs))
    for layer, expected in zip(its.layers, mine.layers, strict=True):
        assert (layer.name, layer.type, tuple(layer.bottoms), tuple(layer.tops)) == (
            *(expected.name, expected.type, expected.bottoms, expected.tops),
        )
        assert tuple(blob.shape for blob in layer.blobs) == expected.params


def test_a_solver_trains_the_same(remote: Client, rng: np.random.Generator) -> None:
    local = Session(Inside(None))
    here, there = local.create_solver(text=SOLVER), remote.solver(SOLVER)
    fill(there, rng)
    nets = local.solver_nets(here)
    for mine, its in zip((nets.net, *nets.test_nets), (there.net, *there.test_nets), strict=True):
        for name in ("data", "label"):
            local.set_blob(mine, name, "data", its.blobs[name].data)
        local.set_blob(mine, ("score", 0), "data", its.params["score"][0].data)
    expected = [event_message(event) for event in local.solve(here)]
    events = [event for event in there.events() if type(event) is not pb.Snapshot]  # it has a folder for them
    for event, wanted in zip(events, expected, strict=True):
        mine = getattr(wanted, wanted.WhichOneof("event"))
        if type(event) is pb.Iteration:
            event.seconds = mine.seconds
        assert event == mine
    assert (there.iter, there.max_iter, there.training) == (20, 20, False)
    np.testing.assert_array_equal(there.net.params["score"][0].data, local.get_blob(nets.net, ("score", 0)))


NO_DATABASE = 'layer { name: "d" type: "Data" top: "d" data_param { source: "%s" batch_size: 1 backend: LEVELDB } }'

BAD_NETS: dict[str, Callable[[Path], tuple[str, bytes | None]]] = {
    "misspelt field": lambda folder: (NET.replace("kernel_size", "kernel_sise"), None),
    "unknown bottom": lambda folder: (NET.replace('bottom: "score"', 'bottom: "scores"'), None),
    "unknown layer type": lambda folder: (NET.replace('"ReLU"', '"RELU"'), None),
    "kernel larger than its input": lambda folder: (NET.replace("kernel_size: 3", "kernel_size: 11"), None),
    "weights of another shape": lambda folder: (NET, _weights(NET.replace("num_output: 3", "num_output: 7"))),
    "truncated caffemodel": lambda folder: (NET, _weights(NET)[:-20]),
    "no caffemodel at all": lambda folder: (NET, b"\xff" * 100),
    "missing LevelDB": lambda folder: (NO_DATABASE % (folder / "no_such_leveldb"), None),
    "not text": lambda folder: ("\0\x01", None),
    "too many values": lambda folder: (NET.replace("dim: 4", "dim: 400000000"), None),
}


def _weights(text: str) -> bytes:
    local = Session()
    return local.net_bytes(local.create_net(text=text))


@pytest.mark.parametrize("case", BAD_NETS)
def test_bad_nets_are_told_in_the_same_words(remote: Client, server: RunningServer, folder: Path, case: str) -> None:
    text, weights = BAD_NETS[case](folder)
    with pytest.raises(CaffeError) as here:
        Session().create_net(text=text, weights=weights)
    with pytest.raises(CaffeError) as there:
        remote.net(text, weights=weights)
    assert type(there.value) is type(here.value)
    assert str(there.value) == str(here.value)
    assert vars(there.value) == vars(here.value)
    assert server.session.objects() == Objects(0, 0)
    assert remote.net(NET).forward()["prob"].shape == (4, 5)


BAD_CALLS: dict[str, tuple[Callable[[Session, int], Any], Callable[[client.RemoteNet], Any]]] = {
    "wrong inputs": (lambda s, n: s.forward(n, {"dat": np.zeros(1)}), lambda n: n.forward(dat=np.zeros(1))),
    "wrong batch": (lambda s, n: s.forward(n, {"data": np.zeros(1)}), lambda n: n.forward(data=np.zeros(1))),
    "unknown layer": (lambda s, n: s.forward(n, end="x"), lambda n: n.forward(end="x")),
    "unknown blob": (lambda s, n: s.forward(n, blobs=["x"]), lambda n: n.forward(blobs=["x"])),
    "wrong outputs": (lambda s, n: s.backward(n, {"x": np.zeros(1)}), lambda n: n.backward(x=np.zeros(1))),
    "wrong shape": (
        lambda s, n: s.set_blob(n, "data", "data", np.zeros(7)),
        lambda n: setattr(n.blobs["data"], "data", np.zeros(7)),
    ),
    "negative shape": (lambda s, n: s.reshape_blob(n, "data", (-1,)), lambda n: n.blobs["data"].reshape(-1)),
    "damaged weights": (lambda s, n: s.copy_from(n, b"\x01"), lambda n: n.copy_from(b"\x01")),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls_are_told_in_the_same_words(remote: Client, case: str) -> None:
    locally, remotely = BAD_CALLS[case]
    local = Session()
    net = remote.net(NET)
    with pytest.raises(CaffeError) as here:
        locally(local, local.create_net(text=NET))
    with pytest.raises(CaffeError) as there:
        remotely(net)
    assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))
    assert net.forward()["prob"].shape == (4, 5)


# -- the client --------------------------------------------------------------------------------------------------------


def test_blobs_are_assigned_whole(remote: Client, rng: np.random.Generator) -> None:
    blob = remote.net(NET).blobs["data"]
    values = rng.random((4, 1, 6, 6), np.float32)
    blob.data = values
    blob.diff = 2 * values
    np.testing.assert_array_equal(blob.data, values)
    np.testing.assert_array_equal(blob.diff, 2 * values)
    with pytest.raises(ValueError, match="read-only"):
        blob.data[...] = 0
    assert (blob.shape, blob.count) == ((4, 1, 6, 6), 144)


def test_nets_are_reshaped(remote: Client) -> None:
    net = remote.net(NET)
    net.blobs["data"].reshape(2, 1, 6, 6)
    net.reshape()
    assert net.shapes()["prob"] == (2, 5)
    assert net.forward(data=np.zeros((2, 1, 6, 6)))["prob"].shape == (2, 5)


def test_files_are_read_and_written_on_either_side(remote: Client, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    (folder / "net.prototxt").write_text(NET)
    net = remote.net(tmp_path / "net.prototxt", "train")
    assert net.phase == 0
    net.save(tmp_path / "here.caffemodel")
    net.save(ServerFile("there.caffemodel"))
    assert (tmp_path / "here.caffemodel").read_bytes() == (folder / "there.caffemodel").read_bytes()
    mine = remote.net(ServerFile("net.prototxt"), weights=tmp_path / "here.caffemodel")
    its = remote.net(NET, weights=ServerFile("there.caffemodel"))
    assert its.copy_from(str(tmp_path / "here.caffemodel")) == ["conv", "score"]
    for name in ("conv", "score"):
        np.testing.assert_array_equal(mine.params[name][0].data, net.params[name][0].data)
        np.testing.assert_array_equal(its.params[name][0].data, net.params[name][0].data)


def test_levels_and_stages_choose_layers(remote: Client) -> None:
    text = NET.replace('top: "conv" }', 'top: "conv" include { stage: "s" min_level: 2 } }')
    assert "relu" not in remote.net(text).layer_dict
    assert "relu" in remote.net(text, level=2, stages=["s"]).layer_dict


def test_snapshots_are_written_in_the_folder(remote: Client, folder: Path, rng: np.random.Generator) -> None:
    solver = remote.solver(SOLVER)
    fill(solver, rng)
    solver.step(3)
    assert solver.snapshot() == str(folder / "snapshot_iter_3.solverstate")
    again = remote.solver(SOLVER)
    again.restore("snapshot_iter_3.solverstate")
    assert again.iter == 3
    np.testing.assert_array_equal(again.net.params["score"][0].data, solver.net.params["score"][0].data)


def test_a_snapshot_is_taken_of_a_training_that_goes_on(remote: Client, rng: np.random.Generator) -> None:
    solver = remote.solver(SOLVER)
    fill(solver, rng)
    events = solver.events(1_000_000)
    next(event for event in events if isinstance(event, pb.Iteration))
    path = solver.snapshot()
    solver.stop()
    *_, last = events
    assert isinstance(last, pb.Finished)
    assert last.stopped
    again = remote.solver(SOLVER)
    again.restore(Path(path).name)
    assert 0 < again.iter <= last.iteration


def test_information_tells_what_computes(remote: Client) -> None:
    net = remote.net(NET)
    information = remote.information()
    assert (information.nets, information.solvers) == (1, 0)
    assert {"Engine", "oneDNN"} <= {fact.name for fact in information.facts}
    net.close()
    wait_until(lambda: remote.information().nets == 0)


def test_what_is_closed_or_forgotten_is_released(remote: Client, server: RunningServer) -> None:
    net, solver = remote.net(NET), remote.solver(SOLVER)
    net.close()
    net.close()
    solver.net.close()
    solver.net.shapes()
    wait_until(lambda: server.session.objects() == Objects(solvers=1, nets=0))
    with pytest.raises(HandleError, match="there is no net"):
        net.forward()
    del solver
    gc.collect()
    wait_until(lambda: server.session.objects() == Objects(0, 0))


def test_large_tensors_travel(remote: Client, rng: np.random.Generator) -> None:
    text = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 5 dim: 1000000 } } }'
    net, values = remote.net(text), rng.random((5, 1_000_000), np.float32)  # 20 MB
    net.blobs["d"].data = values
    np.testing.assert_array_equal(net.blobs["d"].data, values)
    np.testing.assert_array_equal(net.forward(d=values + 1)["d"], values + 1)


def test_a_client_imports_no_engine() -> None:
    probe = "import sys, caffe_sdk.client; print(*[m for m in sys.modules if m.startswith('caffe_sdk.')])"
    loaded = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout.split()
    allowed = ("caffe_sdk.client", "caffe_sdk.errors", "caffe_sdk.rpc", "caffe_sdk.schema")
    assert [name for name in loaded if not name.startswith(allowed)] == []


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match="no server answered in time; start one: caffe serve"):
        client.connect(f"unix:{tmp_path}/nobody", timeout=0.2)


def test_a_server_that_goes_away() -> None:
    with start(Options(LOCAL, grace=0)) as server:
        remote = client.connect(server.address)
        net = remote.net(NET)
    with pytest.raises(BridgeError, match="the server is not there"):
        net.forward()
    remote.close()
    with pytest.raises(BridgeError, match="connect again"):
        net.forward()
    with pytest.raises(BridgeError, match="connect again"):
        remote.stream("Step", pb.StepRequest())
    net.close()


@pytest.mark.parametrize("phase", ["testing", 2])
def test_phases(remote: Client, phase: str | int) -> None:
    with pytest.raises(ArgumentError, match="is no phase"):
        remote.net(NET, phase)


def test_values_beyond_a_message_travel_in_chunks(rng: np.random.Generator) -> None:
    text = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 5 dim: 100000 } } }'
    values = rng.random((5, 100_000), np.float32)
    with start(Options(LOCAL, max_message=1_000_000)) as server, client.connect(server.address) as remote:
        net = remote.net(text)
        net.blobs["d"].data = values
        np.testing.assert_array_equal(net.blobs["d"].data, values)
        np.testing.assert_array_equal(net.forward(d=values + 1)["d"], values + 1)
        with pytest.raises(LimitError, match="the values have 2000000 bytes, and a message has room for 934464"):
            net.forward()
        wide = 'layer { name: "ip" type: "InnerProduct" bottom: "d" top: "ip" inner_product_param { num_output: 5 } }'
        one, other = remote.net(text + wide), remote.net(text + wide)
        assert one.copy_from(other.to_bytes()) == ["ip"]
        remote.limit = 2**31
        with pytest.raises(LimitError, match="too much for one message"):
            net.blobs["d"].data = values


def test_messages_are_compressed_on_demand(server: RunningServer) -> None:
    with client.connect(server.address, compress=True) as remote:
        net = remote.net(NET)
        net.blobs["data"].data = np.ones((4, 1, 6, 6))
        assert net.blobs["data"].data.min() == 1


# -- several clients, and their ends -----------------------------------------------------------------------------------


def test_two_clients_queue_for_one_net(server: RunningServer, remote: Client, rng: np.random.Generator) -> None:
    net = remote.net(NET)
    wrong: list[object] = []

    def work(value: float) -> None:
        with client.connect(server.address) as mine:
            same = client.RemoteNet(mine, net._description.message, owned=False)
            data = np.full((4, 1, 6, 6), value, np.float32)
            expected = same.forward(data=data)["prob"]
            for _ in range(20):
                got = same.forward(data=data, blobs=["data"])
                if np.any(got["data"] != data) or np.any(got["prob"] != expected):
                    wrong.append(got)

    threads = [threading.Thread(target=work, args=(value,)) for value in (0.5, -1.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_cancelling_the_stream_ends_the_training(
    remote: Client, server: RunningServer, rng: np.random.Generator
) -> None:
    solver = remote.solver(SOLVER)
    fill(solver, rng)
    events = solver.events(10**9)
    for event in events:
        if type(event).__name__ == "Iteration" and event.iteration == 3:
            break
    assert solver.training
    events.close()  # type: ignore[attr-defined]
    wait_until(lambda: not solver.training)
    done = solver.iter
    time.sleep(0.05)
    assert solver.iter == done < 10**6
    solver.step(2)
    assert solver.iter == done + 2


def test_a_client_that_goes_away_ends_its_training(server: RunningServer, rng: np.random.Generator) -> None:
    gone = client.connect(server.address)
    solver = gone.solver(SOLVER)
    fill(solver, rng)
    next(iter(solver.events(10**9)))
    (held,) = server.session._solvers.values()
    gone.close()
    wait_until(lambda: not held.training)
    server.session.reset()


def test_stopping_the_training_of_another_client(
    server: RunningServer, remote: Client, rng: np.random.Generator
) -> None:
    solver = remote.solver(SOLVER)
    fill(solver, rng)
    events = solver.events(10**9)
    next(events)
    solver.stop()
    last = list(events)[-1]
    assert (type(last).__name__, last.stopped) == ("Finished", True)


def test_releasing_a_training_solver_is_told_to_its_reader(remote: Client, rng: np.random.Generator) -> None:
    solver = remote.solver(SOLVER)
    fill(solver, rng)
    events = solver.events(10**9)
    next(events)
    solver.close()
    with pytest.raises(CancelledError, match="was released while it trained"):
        list(events)


def test_a_server_ends_while_a_solver_trains(rng: np.random.Generator) -> None:
    with start(Options(LOCAL, grace=2)) as server:
        remote = client.connect(server.address)
        solver = remote.solver(SOLVER)
        fill(solver, rng)
        events = solver.events(10**9)
        next(events)
        began = time.monotonic()
    assert time.monotonic() - began < 1.5
    with pytest.raises((CancelledError, BridgeError)):
        list(events)
    remote.close()


# -- below the client --------------------------------------------------------------------------------------------------


def test_failed_calls_have_status_words_and_parts(server: RunningServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(
            "/caffe_sdk.v1.Nets/CreateNet",
            request_serializer=pb.CreateNetRequest.SerializeToString,
            response_deserializer=pb.Net.FromString,
        )
        with pytest.raises(grpc.RpcError) as caught:
            call(pb.CreateNetRequest(model=pb.Model(text="layer { nam: 1 }")))
    failed: Any = caught.value
    parts = pb.Error.FromString(dict(failed.trailing_metadata())["caffe-error-bin"])
    assert failed.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert failed.details() == f"{parts.where}: {parts.what}; {parts.remedy}"
    assert (parts.code, parts.identifier, parts.line, parts.column) == ("prototxt", "caffe:prototxt", 1, 9)


@pytest.mark.parametrize(
    ("name", "request_message", "words"),
    [
        ("CreateNet", pb.CreateNetRequest(), "neither path nor text given"),
        ("CreateNet", pb.CreateNetRequest(model=pb.Model(text=""), phase=7), "phase: 7 is no value of it"),
        ("CreateNet", pb.CreateNetRequest(model=pb.Model(text=""), weights=pb.Weights()), "neither data nor path"),
        ("GetBlobs", pb.GetBlobsRequest(part=9), "part: 9 is no value of it"),
        ("Forward", pb.ForwardRequest(inputs=[pb.NamedTensor(name="a")] * 2), "blob 'a': 0 bytes given for shape"),
        (
            "Forward",
            pb.ForwardRequest(inputs=[pb.NamedTensor(name="a", tensor=pb.Tensor(shape=[0]))] * 2),
            "blob 'a': is given twice",
        ),
        ("SetBlobs", pb.SetBlobsRequest(blobs=[pb.BlobValues()]), "0 bytes given for shape"),
    ],
)
def test_requests_no_client_of_ours_makes(remote: Client, name: str, request_message: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        remote.call(name, request_message)


def test_calls_that_do_not_exist(server: RunningServer, remote: Client) -> None:
    remote._stubs["Newer"] = remote._channel.unary_unary("/caffe_sdk.v1.Nets/Newer")
    with pytest.raises(BridgeError, match="does not know this call"):
        remote.call("Newer", b"")


def test_unexpected_errors_are_told_and_logged(
    remote: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr(Session, "describe_net", broken)
    with caplog.at_level(logging.ERROR), pytest.raises(InternalError, match="ZeroDivisionError: so it goes"):
        remote.net(NET)
    assert "Traceback" in caplog.text
    monkeypatch.undo()
    remote.net(NET).forward()


def test_every_call_of_the_proto_is_served(server: RunningServer) -> None:
    served = {each.descriptor.full_name for each in services(server.backend)}
    assert {service.full_name for file in pb.FILES for service in file.services_by_name.values()} <= served
