"""The way in over the loopback interface: only who shows the token of the ready file becomes the client."""

from __future__ import annotations

import hmac
import os
import secrets
import selectors
import socket
import time
from pathlib import Path

from caffe_sdk.bridge.exchange import private
from caffe_sdk.bridge.frames import Frame, Kind, encode

HELLO_TIME = 5.0  # seconds a stranger has to show the token
MAX_STRANGERS = 16  # at one time


def wait_for_client(ready: Path, timeout: float) -> socket.socket | None:
    """The client's connection, or None when no client came in time.

    The ``ready`` file, which only the user may read, has port, token and process id; it appears complete.
    """
    token = secrets.token_hex(32)
    with socket.create_server(("127.0.0.1", 0), backlog=4 * MAX_STRANGERS) as listener:
        unready = ready.with_suffix(".part")
        with open(unready, "x", opener=private) as file:
            file.write(f"{listener.getsockname()[1]} {token} {os.getpid()}\n")
        unready.replace(ready)
        client = admit(listener, token, timeout)
    if client is not None:
        client.settimeout(None)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def admit(listener: socket.socket, token: str, timeout: float) -> socket.socket | None:
    """The first connection that says hello with the token, or None after ``timeout`` seconds.

    Whoever says something else, or nothing for `HELLO_TIME`, is hung up on, and keeps nobody waiting meanwhile.
    """
    hello = encode(Frame(Kind.HELLO, 0, token.encode()))
    deadline = time.monotonic() + timeout
    strangers: list[_Stranger] = []
    listener.setblocking(False)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                for key, _ in selector.select(timeout=0.2):
                    if key.fileobj is listener:
                        strangers.append(_Stranger(listener))
                        selector.register(strangers[-1].connection, selectors.EVENT_READ, strangers[-1])
                    elif key.data.listen(hello):
                        strangers.remove(key.data)
                        return key.data.connection  # type: ignore[no-any-return]
                for stranger in [each for each in strangers if each.unwelcome()] or strangers[:-MAX_STRANGERS]:
                    strangers.remove(stranger)
                    selector.unregister(stranger.connection)
                    stranger.connection.close()
    finally:
        for stranger in strangers:
            stranger.connection.close()
    return None


class _Stranger:
    """A connection that has not shown the token yet."""

    def __init__(self, listener: socket.socket) -> None:
        self.connection = listener.accept()[0]
        self.connection.setblocking(False)
        self.until = time.monotonic() + HELLO_TIME
        self.said = b""

    def listen(self, hello: bytes) -> bool:
        """Hear what there is to hear; whether it is the whole hello now."""
        try:
            words = self.connection.recv(len(hello) - len(self.said))
        except OSError:
            words = b""
        self.said += words
        if hmac.compare_digest(self.said, hello):
            return True
        if not words or len(self.said) == len(hello):
            self.until = 0.0
        return False

    def unwelcome(self) -> bool:
        return time.monotonic() > self.until
