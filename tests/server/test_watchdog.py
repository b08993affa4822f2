"""Calls that take too long, and readers that do not read."""

from __future__ import annotations

import contextlib
import time
from types import SimpleNamespace

import grpc
import pytest

from caffe_sdk.app.session import Session
from caffe_sdk.errors import DeadlineError
from caffe_sdk.rpc import pb
from caffe_sdk.server import Limits, Options, RunningServer, server, start, watchdog
from caffe_sdk.server.watchdog import PATIENCE, Watchdog
from tests.app.texts import NET, SOLVER
from tests.server.native.calls import calls, named, status
from tests.server.test_dispatch import CHECK, unsent
from tests.waiting import until


class Call:
    """A call that can be cancelled."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Crowd:
    """Threads for which calls wait."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting


def test_what_takes_too_long_is_cancelled() -> None:
    clock = SimpleNamespace(now=0.0)
    watchdog = Watchdog(Limits(call_seconds=10, stall_seconds=3), lambda: clock.now)
    slow, stalled, quick = Call(), Call(), Call()
    with watchdog.watching(slow) as of_slow, watchdog.watching(stalled) as of_stalled:
        with watchdog.watching(quick):
            pass
        watchdog.sending(of_stalled)
        clock.now = 3.5
        watchdog.look()
        assert (slow.cancelled, stalled.cancelled) == (False, True)
        clock.now = 10.1
        with pytest.raises(DeadlineError, match="took more than the 10 s a call may take"):
            watchdog.sending(of_slow)
        clock.now = 11
        watchdog.look()
        assert (slow.cancelled, quick.cancelled) == (True, False)
    watchdog.close()


def test_without_limits_nothing_is_cancelled() -> None:
    clock, call = SimpleNamespace(now=0.0), Call()
    watchdog = Watchdog(Limits(stall_seconds=0), lambda: clock.now)
    with watchdog.watching(call) as watched:
        watchdog.sending(watched)
        clock.now = 1e9
        watchdog.look()
    watchdog.close()
    assert not call.cancelled


def test_a_training_has_its_time() -> None:
    session = Session()
    list(session.step(session.create_solver(text=SOLVER), 2))  # what compiles has compiled
    session.reset()
    options = Options("127.0.0.1:0", limits=Limits(call_seconds=0.5), grace=0)
    with start(options) as server, grpc.insecure_channel(server.address) as channel:
        stubs = calls(channel)
        solver = stubs.CreateSolver(pb.CreateSolverRequest(model=pb.Model(text=SOLVER))).solver
        with pytest.raises(grpc.RpcError, match=r"took more than the 0\.5 s a call may take") as caught:
            list(stubs.Step(pb.StepRequest(solver=solver, iterations=10**9)))
        assert status(caught.value) == "DEADLINE_EXCEEDED"
        assert not stubs.DescribeSolver(pb.DescribeSolverRequest(solver=solver)).training


def test_a_reader_that_does_not_read_is_let_go_and_holds_up_nobody() -> None:
    """With a window of 64 KB its training stands still when that is full; after a while the stream is ended."""
    options = Options("127.0.0.1:0", workers=2, limits=Limits(stall_seconds=0.5), grace=0)
    narrow = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
    with start(options) as server, grpc.insecure_channel(server.address, options=narrow) as channel:
        slow, metadata = calls(channel), named("slow")
        solver = slow.CreateSolver(pb.CreateSolverRequest(model=pb.Model(text=SOLVER)), metadata=metadata).solver
        events = slow.Step(pb.StepRequest(solver=solver, iterations=10**9), metadata=metadata)
        next(events)
        with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as other:
            stubs = calls(other)
            net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=NET))).net
            deadline = time.monotonic() + 60
            while stubs.DescribeSolver(pb.DescribeSolverRequest(solver=solver)).training:
                assert time.monotonic() < deadline
                assert stubs.Forward(pb.ForwardRequest(net=net), timeout=60).outputs
                time.sleep(0.05)
        with pytest.raises(grpc.RpcError) as caught:
            list(events)
        assert status(caught.value) == "CANCELLED"


def test_a_message_has_its_time_to_come() -> None:
    clock, call = SimpleNamespace(now=0.0), Call()
    looking = Watchdog(Limits(receive_seconds=5), lambda: clock.now)
    with looking.watching(call) as watched:
        clock.now = 100
        looking.receiving(watched)
        clock.now = 104
        looking.look()
        assert not call.cancelled
        clock.now = 106
        looking.look()
    looking.close()
    assert call.cancelled


def test_where_calls_wait_the_slowest_senders_make_way() -> None:
    clock, pool, other = SimpleNamespace(now=0.0), Crowd(2), Crowd(0)
    looking = Watchdog(Limits(), lambda: clock.now)
    first, second, third, computing, elsewhere = [Call() for _ in range(5)]
    with contextlib.ExitStack() as under_way:
        for call, at in ((third, 0.2), (first, 0.0), (second, 0.1), (elsewhere, 0.0)):
            clock.now = at
            there = other if call is elsewhere else pool
            looking.receiving(under_way.enter_context(looking.watching(call, there)))
        under_way.enter_context(looking.watching(computing, pool))
        clock.now = PATIENCE
        looking.look()
        assert not first.cancelled
        clock.now = PATIENCE + 1
        looking.look()
    looking.close()
    assert [call.cancelled for call in (first, second, third, computing, elsewhere)] == [True, True, *[False] * 3]


def test_a_reply_that_nobody_takes_is_given_up() -> None:
    """It is larger than what is on its way unread at most: 64 KB with these settings."""
    options = Options("127.0.0.1:0", limits=Limits(stall_seconds=0.3), grace=0)
    narrow = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
    with start(options) as running, grpc.insecure_channel(running.address, options=narrow) as channel:
        stubs = calls(channel)
        text = NET.replace("num_output: 5", "num_output: 10000")
        net = stubs.CreateNet(pb.CreateNetRequest(model=pb.Model(text=text))).net
        blobs = [pb.BlobReference(parameter=pb.Parameter(layer="score"))]
        request = pb.GetBlobsRequest(net=net, blobs=blobs, part=pb.PART_DATA)
        ask = channel.unary_stream("/caffe_sdk.v1.Nets/GetBlobs", pb.GetBlobsRequest.SerializeToString)
        unread = ask(request)  # as a stream its reply is taken when it is asked for
        until(lambda: any(each.sending is not None for each in running.backend.watchdog.under_way()))
        assert stubs.Forward(pb.ForwardRequest(net=net), timeout=60).outputs
        until(lambda: not running.backend.watchdog.under_way())
        with pytest.raises(grpc.RpcError) as caught:
            list(unread)
        assert status(caught.value) == "CANCELLED"
        assert len(stubs.GetBlobs(request).tensors[0].data) > 2**18
        until(lambda: not running.backend.watchdog.under_way())


@pytest.mark.parametrize(
    ("method", "threads"),
    [(CHECK, server.PROBES), ("/caffe_sdk.v1.Server/GetInformation", 5), ("/caffe_sdk.v1.Nets/CreateNet", 3)],
)
def test_senders_that_do_not_send_hold_up_nobody(
    method: str, threads: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They have every thread there is for such calls, until another call wants one."""
    monkeypatch.setattr(watchdog, "PATIENCE", 0.1)
    monkeypatch.setattr(server, "REQUESTS", 5)
    with (
        start(Options("127.0.0.1:0", workers=3, grace=0)) as running,
        grpc.insecure_channel(running.address) as channel,
        unsent() as messages,
    ):
        slow = [channel.stream_unary(method).future(messages()) for _ in range(threads)]
        until_busy(running, threads)
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method)(b"\xff", timeout=60)
        assert status(caught.value) == "INVALID_ARGUMENT"  # it was read, and is no message
        until(lambda: any(each.done() for each in slow))
        assert [each.code().name for each in slow if each.done()] == ["CANCELLED"]
        for each in slow:
            each.cancel()
    assert "others wait, and its message did not come" in caplog.text


def until_busy(running: RunningServer, threads: int) -> None:
    """Wait until so many calls have a thread, and wait for their messages."""
    watchdog = running.backend.watchdog
    until(lambda: sum(each.receiving is not None for each in watchdog.under_way()) == threads)
