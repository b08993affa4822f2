"""Who holds what, and when it is let go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from caffe_sdk.app.descriptions import Objects
from caffe_sdk.app.session import Session
from caffe_sdk.app.size import size_of_net
from caffe_sdk.errors import HandleError, LimitError
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TEST, NetParameter
from caffe_sdk.server.clients import Client, Clients
from caffe_sdk.server.security.limits import Limits
from tests.app.texts import NET, SOLVER

SMALL = Limits(blob=1000, nets=2, solvers=1, calls=2, requests=3)


with Net(prototxt.parse(NET, NetParameter), TEST) as _net:
    TOTAL = size_of_net(_net).total


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class House:
    """A session, its clients, and the clock they go by."""

    def __init__(self, limits: Limits) -> None:
        self.session, self.clock = Session(), Clock()
        self.clients = Clients(self.session, limits, self.clock)

    def net(self, client: Client, text: str = NET) -> int:
        """A net for a client, as the service makes it."""
        net = self.session.create_net(text=text)
        size = self.session.size(net)
        try:
            self.clients.hold(client, "nets", net, size, {net: size.total})
        except LimitError:
            self.session.release(net)
            raise
        return net


@pytest.fixture
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    house = House(getattr(request, "param", Limits()))
    yield house
    house.clients.close()
    house.session.reset()


small = pytest.mark.parametrize("house", [SMALL], indirect=True)


def test_sizes_are_known_before_anything_computes() -> None:
    with Net(prototxt.parse(NET, NetParameter), TEST) as net:
        size = size_of_net(net)
        blobs = sum(blob.count for blob in net.blobs.values())
        params = sum(blob.count for blobs_of in net.params.values() for blob in blobs_of)
        assert size == (8 * (blobs + params), "score", 4 * net.params["score"][0].count)


def test_a_solver_counts_its_nets_and_histories(house: House) -> None:
    solver = house.session.create_solver(text=SOLVER)
    nets = house.session.solver_nets(solver)
    of_nets = sum(house.session.size(net).total for net in (nets.net, *nets.test_nets))
    assert house.session.size(solver).total == of_nets + 4 * 33  # 10 x 3 weights and 3 biases: one momentum each


def test_what_a_client_holds_goes_with_its_last_lease(house: House) -> None:
    with house.clients.calling("", "a") as client:
        house.net(client)
        house.clients.attach(client, print)
        house.clients.attach(client, int)
    with house.clients.calling("", "b") as other:
        kept = house.net(other)
    house.clients.detach(client, print)
    assert house.session.objects() == Objects(0, 2)
    house.clients.detach(client, int)
    house.clients.close()
    assert house.session.objects() == Objects(0, 1)
    house.session.describe_net(kept)


def test_idle_clients_are_let_go_unless_they_hold_a_lease(house: House) -> None:
    for name in ("idle", "attached", "busy", "lively"):
        with house.clients.calling("", name) as client:
            house.net(client)
            if name == "attached":
                house.clients.attach(client, print)
    with house.clients.calling("", "busy"):
        house.clock.now = house.clients.limits.idle_seconds + 1
        with house.clients.calling("", "lively"):
            pass
        house.clients.sweep()
        assert house.session.objects() == Objects(0, 3)
    house.clients.sweep()
    assert house.session.objects() == Objects(0, 3)
    house.clock.now *= 3
    house.clients.sweep()
    assert house.session.objects() == Objects(0, 1)


def test_another_token_sees_nothing(house: House) -> None:
    with house.clients.calling("alice", "a") as alice, house.clients.calling("bob", "a") as bob:
        net = house.net(alice)
        assert house.clients.usable(alice, net, "net") == net
        with house.clients.calling("alice", "b") as her_other:
            assert house.clients.usable(her_other, net, "net") == net
        with pytest.raises(HandleError) as foreign:
            house.clients.usable(bob, net, "net")
    with pytest.raises(HandleError) as none:
        house.session.describe_net(net + 1)
    assert str(foreign.value).replace(str(net), "") == str(none.value).replace(str(net + 1), "")


@small
def test_objects_are_counted(house: House) -> None:
    with house.clients.calling("", "a") as client, house.clients.calling("", "b") as other:
        nets = [house.net(client) for _ in range(2)]
        with pytest.raises(LimitError, match="2 nets are held; release one"):
            house.clients.check_room(client, "nets")
        with pytest.raises(LimitError, match="2 nets are held"):
            house.net(client)
        house.net(other)
        house.session.release(nets[0])
        house.clients.forget(nets[0])
        house.clients.forget(nets[0])
        house.net(client)


@small
def test_sessions_of_one_token_share_its_limits(house: House) -> None:
    with house.clients.calling("alice", "a") as one, house.clients.calling("alice", "b") as other:
        house.net(one)
        house.net(other)
        with pytest.raises(LimitError, match="client 'b' of alice: 2 nets are held"):
            house.net(other)
        with pytest.raises(LimitError, match="2 calls are under way"), house.clients.calling("alice", "c"):
            raise AssertionError


@small
def test_calls_at_a_time(house: House) -> None:
    with house.clients.calling("", "a"), house.clients.calling("", "a"):
        with pytest.raises(LimitError, match="client 'a': 2 calls are under way"), house.clients.calling("", "a"):
            raise AssertionError
        with house.clients.calling("", "b"):
            pass
    with house.clients.calling("", "a"):
        pass


def test_calls_of_nobody_in_particular_are_not_counted(house: House) -> None:
    with contextlib.ExitStack() as calls:
        clients = {calls.enter_context(house.clients.calling("", "")) for _ in range(10)}
    assert len(clients) == 1


@small
def test_calls_to_models_count_by_themselves(house: House) -> None:
    with contextlib.ExitStack() as under_way:
        for own in (*[False] * 3, True, True):
            under_way.enter_context(house.clients.calling("", "a", own))
        with pytest.raises(LimitError, match="client 'a': 2 calls are under way"), house.clients.calling("", "a"):
            raise AssertionError
        words = "client 'a': 3 requests to models are under way; wait"
        with pytest.raises(LimitError, match=words), house.clients.calling("", "a", own=False):
            raise AssertionError
        with house.clients.calling("", "b", own=False):
            pass
    with house.clients.calling("", "a", own=False):
        pass


@pytest.mark.parametrize("house", [Limits(memory=TOTAL + 1000)], indirect=True)
def test_bytes_of_requests_count_with_what_is_held(house: House) -> None:
    with house.clients.calling("alice", "a") as client, house.clients.calling("alice", "b") as other:
        net = house.net(client)
        with house.clients.receiving(other) as more:
            more(600)
            more(400)
            with pytest.raises(LimitError, match="1 bytes are needed and"):
                more(1)
            with house.clients.receiving(client) as another, pytest.raises(LimitError, match="client 'a' of alice"):
                another(1)
        with house.clients.receiving(client) as more:
            more(1000)
        house.session.release(net)
        house.clients.forget(net)


def widened(dim: int) -> str:
    return NET.replace("dim: 4", f"dim: {dim}")


@small
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (widened(8), "blob 'conv': takes 1536 bytes; this server's blobs have at most 1000"),
        (NET.replace("num_output: 3", "num_output: 9"), "blob 'score': takes 2880 bytes"),
        (NET.replace("num_output: 5", "num_output: 36"), "blob 'score': takes 6912 bytes"),
    ],
)
def test_large_blobs_are_refused(house: House, text: str, words: str) -> None:
    with house.clients.calling("", "a") as client, pytest.raises(LimitError, match=words):
        house.net(client, text)
    assert house.session.objects() == Objects(0, 0)


@pytest.mark.parametrize("house", [Limits(memory=3 * TOTAL)], indirect=True)
def test_memory_is_counted_and_counted_anew(house: House) -> None:
    with house.clients.calling("", "a") as client:
        net = house.net(client)
        with pytest.raises(LimitError, match=f"are needed and {TOTAL} are held, of {3 * TOTAL} that one client"):
            house.net(client, widened(40))
        house.session.reshape_blob(net, "data", (60, 1, 6, 6))
        for refused in (house.session.forward, house.session.backward):
            call: Any = refused
            with pytest.raises(LimitError, match="that one client may have; release what is not used"):
                call(net)
        house.session.reshape_blob(net, "data", (2, 1, 6, 6))
        assert house.session.forward(net)["prob"].shape == (2, 5)
        assert client.held[net] == ("nets", house.session.size(net).total)
        house.net(client)


@pytest.mark.parametrize("house", [Limits(memory=20_000)], indirect=True)
def test_a_training_solver_is_looked_at(house: House) -> None:
    solver = house.session.create_solver(text=SOLVER)
    nets = house.session.solver_nets(solver)
    with house.clients.calling("", "a") as client:
        sizes = {net: house.session.size(net).total for net in (nets.net, *nets.test_nets)}
        house.clients.hold(client, "solvers", solver, house.session.size(solver), sizes)
        for name, shape in (("data", (4, 10)), ("label", (4,))):
            house.session.reshape_blob(nets.net, name, shape)
        list(house.session.step(solver, 1))
        for name, shape in (("data", (400, 10)), ("label", (400,))):
            house.session.reshape_blob(nets.net, name, shape)
        with pytest.raises(LimitError, match="that one client may have"):
            list(house.session.step(solver, 1))
        house.session.release(solver)
        house.clients.forget(solver)
        assert not client.held
        assert not house.clients.may_use(client, nets.net)


def test_limits_of_zero_are_none() -> None:
    house = House(Limits(blob=0, memory=0, nets=0, solvers=0, calls=0, idle_seconds=0))
    with house.clients.calling("", "a") as client:
        house.net(client, widened(1000))
        house.clients.check_blob("x", 2**50)
    house.clock.now = 1e9
    house.clients.sweep()
    assert house.session.objects() == Objects(0, 1)
    house.clients.close()
    house.session.reset()


def test_half_of_the_memory_is_a_client_s() -> None:
    assert Limits().memory > 2**28
