"""What a server tells of itself, and the lease by which it knows that a client lives."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest

from caffe_sdk import __version__
from caffe_sdk.app.descriptions import Objects
from caffe_sdk.rpc import pb
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.server import server as module
from caffe_sdk.server.security.limits import Limits
from tests.app.texts import NET
from tests.server.native.calls import calls, named, status
from tests.waiting import until

CREATE = pb.CreateNetRequest(model=pb.Model(text=NET))


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    options = Options("127.0.0.1:0", grace=0, workers=3, limits=Limits(nets=7), max_message=10_000_000)
    with start(options) as server:
        yield server


@pytest.fixture
def stubs(server: RunningServer) -> Iterator[SimpleNamespace]:
    with grpc.insecure_channel(server.address) as channel:
        yield calls(channel)
    server.session.reset()


def test_a_server_tells_of_itself(stubs: SimpleNamespace) -> None:
    found = stubs.GetInformation(pb.GetInformationRequest())
    assert (found.version, found.right, found.identity) == (__version__, "admin", "")
    assert (found.limits.nets, found.limits.message, found.limits.idle_seconds) == (7, 10_000_000, 3600)
    assert {"Engine", "Cores"} <= {fact.name for fact in found.facts}


def test_a_lease_that_ends_lets_everything_go(server: RunningServer, stubs: SimpleNamespace) -> None:
    lease = stubs.Attach(pb.AttachRequest(), metadata=named("one"))
    assert next(lease).limits.nets == 7
    stubs.CreateNet(CREATE, metadata=named("one"))
    kept = stubs.CreateNet(CREATE, metadata=named("two")).net
    assert server.session.objects() == Objects(0, 2)
    lease.cancel()
    until(lambda: server.session.objects() == Objects(0, 1))
    stubs.Forward(pb.ForwardRequest(net=kept), metadata=named("two"))


def test_leases_take_no_threads(stubs: SimpleNamespace) -> None:
    """There are three threads for calls, and twenty leases."""
    leases = [stubs.Attach(pb.AttachRequest(), metadata=named(f"client{i}")) for i in range(20)]
    assert all(next(lease).limits.nets for lease in leases)
    assert stubs.GetInformation(pb.GetInformationRequest(), timeout=60).version
    for lease in leases:
        lease.cancel()


@pytest.mark.parametrize("name", ["short", "a" * 65, "with a blank in it", "../../../../etc/passwd"])
def test_names_of_sessions(stubs: SimpleNamespace, name: str) -> None:
    with pytest.raises(grpc.RpcError, match="is no name of a session; give 16 to 64 of") as caught:
        stubs.GetInformation(pb.GetInformationRequest(), metadata=[("caffe-session", name)])
    assert status(caught.value) == "INVALID_ARGUMENT"
    with pytest.raises(grpc.RpcError, match="is no name of a session"):
        next(stubs.Attach(pb.AttachRequest(), metadata=[("caffe-session", name)]))


KILLED = """
import sys, time
from caffe_sdk import client
from tests.app.texts import NET, SOLVER
remote = client.connect(sys.argv[1])
net, solver = remote.net(NET), remote.solver(SOLVER)
events = solver.events(10**9)
next(events)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_client_is_let_go(root: Path, server: RunningServer, stubs: SimpleNamespace) -> None:
    """Its net and its solver that trains; another client's net stays and goes on."""
    kept = stubs.CreateNet(CREATE, metadata=named("other")).net
    with elsewhere(root, server) as process:
        assert server.session.objects() == Objects(1, 2)
        process.kill()
        until(lambda: server.session.objects() == Objects(0, 1))
    assert stubs.Forward(pb.ForwardRequest(net=kept), metadata=named("other")).outputs


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal that halts a process")
def test_a_client_that_answers_no_more_is_let_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does whose network is gone: its connection stays open, but nobody answers there."""
    monkeypatch.setattr(module, "KEEP_ALIVE", [("grpc.keepalive_time_ms", 300), ("grpc.keepalive_timeout_ms", 300)])
    with start(Options("127.0.0.1:0", grace=0)) as server, elsewhere(root, server) as process:
        assert server.session.objects() == Objects(1, 1)
        process.send_signal(signal.SIGSTOP)
        until(lambda: server.session.objects() == Objects(0, 0))


@contextmanager
def elsewhere(root: Path, server: RunningServer) -> Iterator[subprocess.Popen[str]]:
    """A client in a process of its own, which has a net and a solver that trains."""
    command = [sys.executable, "-c", KILLED, server.address]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
