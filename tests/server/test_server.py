"""Where a server listens, and who may come. What it answers is in tests/doors/test_grpc.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk import client
from caffe_sdk.errors import ArgumentError, BridgeError
from caffe_sdk.server import Options, RunningServer, start
from tests.app.texts import NET


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=0)) as server:
        yield server


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", ":1"])
def test_addresses_that_make_no_sense(address: str) -> None:
    with pytest.raises(ArgumentError, match="is no host and port"):
        start(Options(address))


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.com:0", "127.evil.com:0"])
def test_other_computers_are_let_in_only_on_demand(address: str) -> None:
    with pytest.raises(ArgumentError, match="open to other computers, and there is no encryption and no password"):
        start(Options(address))


def test_listening_to_everybody_on_demand() -> None:
    with start(Options("0.0.0.0:0", insecure=True, grace=0)) as server:
        client.connect(f"127.0.0.1:{server.port}").close()


def test_an_address_that_is_taken(server: RunningServer) -> None:
    with pytest.raises(BridgeError, match="cannot listen there"):
        start(Options(server.address))


def test_a_socket_of_the_file_system(tmp_path: Path) -> None:
    with start(Options(f"unix:{tmp_path}/socket", grace=0)) as server, client.connect(server.address) as remote:
        assert remote.net(NET).forward()["prob"].shape == (4, 5)
