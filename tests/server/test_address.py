from __future__ import annotations

import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.server.address import host_and_port


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "localhost:0", "[::1]:8000", "127.1.2.3:1"])
def test_this_computers_own_addresses(address: str) -> None:
    host, port = host_and_port("http", address, insecure=False)
    assert f"{host}:{port}" == address


def test_addresses_of_others_are_named_by_their_option() -> None:
    with pytest.raises(ArgumentError, match=r"^http: '0\.0\.0\.0:80' is open to other computers"):
        host_and_port("http", "0.0.0.0:80", insecure=False)
    assert host_and_port("http", "0.0.0.0:80", insecure=True) == ("0.0.0.0", 80)
    with pytest.raises(ArgumentError, match=r"^http: '8000' is no host and port"):
        host_and_port("http", "8000", insecure=True)
