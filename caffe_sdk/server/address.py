"""Where a server may listen."""

from __future__ import annotations

import re

from caffe_sdk.errors import ArgumentError
from caffe_sdk.server.options import Options


def host_and_port(option: str, address: str, options: Options) -> tuple[str, int]:
    """The two parts of an address such as ``127.0.0.1:8000``.

    Raises ArgumentError that names the option for what is no address, and for one that other computers can reach
    without encryption, or without anything that tells who calls (tokens, clients' certificates), unless the options say
    that this is meant (``insecure``).
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentError(option, f"'{address}' is no host and port", "give one such as 127.0.0.1:50051")
    missing = [] if is_local(host) or options.insecure else _missing(options)
    if missing:
        what = f"'{address}' is open to other computers, and there is {' and '.join(missing)}"
        remedy = "listen on 127.0.0.1, give a certificate and tokens, or say that it shall be insecure"
        raise ArgumentError(option, what, remedy)
    return host, int(port)


def is_local(host: str) -> bool:
    """Whether only this computer can reach a host's name."""
    return host in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d+){3}", host) is not None


def _missing(options: Options) -> list[str]:
    """What other computers should find, and will not."""
    known = options.tokens is not None or (options.tls is not None and options.tls.client_authority is not None)
    lacks = {"no encryption": options.tls is None, "no password": not known}
    return [words for words, lacking in lacks.items() if lacking]
