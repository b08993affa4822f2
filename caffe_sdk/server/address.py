"""Where a server may listen."""

from __future__ import annotations

import re

from caffe_sdk.errors import ArgumentError


def host_and_port(option: str, address: str, insecure: bool) -> tuple[str, int]:
    """The two parts of an address such as ``127.0.0.1:8000``.

    Raises ArgumentError that names the option for what is no address, and for one that other computers can reach
    unless that is said to be meant (``insecure``).
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentError(option, f"'{address}' is no host and port", "give one such as 127.0.0.1:50051")
    local = host in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d+){3}", host)
    if not local and not insecure:
        what = f"'{address}' is open to other computers, and there is no encryption and no password"
        raise ArgumentError(option, what, "listen on 127.0.0.1, or say that it shall be insecure")
    return host, int(port)
