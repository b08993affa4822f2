"""Where a server may listen."""

from __future__ import annotations

import pytest

from caffe_sdk.errors import ArgumentError
from caffe_sdk.server import Options, Tls
from caffe_sdk.server.address import host_and_port, is_local

PLAIN, MUTUAL = Tls("c", "k"), Tls("c", "k", "ca")


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "localhost:0", "[::1]:8000", "127.1.2.3:1"])
def test_this_computers_own_addresses(address: str) -> None:
    host, port = host_and_port("http", address, Options())
    assert f"{host}:{port}" == address


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (Options(), "no encryption and no password"),
        (Options(tokens="t"), "no encryption"),
        (Options(tls=PLAIN), "no password"),
    ],
)
def test_other_computers_need_encryption_and_a_password(options: Options, missing: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^http: '0\.0\.0\.0:80' is open to .* and there is {missing};") as caught:
        host_and_port("http", "0.0.0.0:80", options)
    assert "say that it shall be insecure" in str(caught.value)


@pytest.mark.parametrize("options", [Options(tls=PLAIN, tokens="t"), Options(tls=MUTUAL), Options(insecure=True)])
def test_who_may_listen_everywhere(options: Options) -> None:
    assert host_and_port("http", "0.0.0.0:80", options) == ("0.0.0.0", 80)


def test_what_is_no_address() -> None:
    with pytest.raises(ArgumentError, match=r"^http: '8000' is no host and port"):
        host_and_port("http", "8000", Options(insecure=True))


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "localhost.evil.example", "1270.0.1", "::1", "0", "127.1"])
def test_hosts_that_only_look_local(host: str) -> None:
    assert not is_local(host)
