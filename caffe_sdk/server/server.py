"""The server: where it listens, its start and its orderly end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import grpc

from caffe_sdk.app.session import Session
from caffe_sdk.errors import BridgeError, CaffeError
from caffe_sdk.rpc.transport import channel_options
from caffe_sdk.server.address import host_and_port
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.dispatch import handlers
from caffe_sdk.server.journal import log_as_json
from caffe_sdk.server.options import Options
from caffe_sdk.server.pool import Pool
from caffe_sdk.server.recorder import Recorder
from caffe_sdk.server.security.gate import Gate
from caffe_sdk.server.security.rights import Right
from caffe_sdk.server.services import Door, open_doors, services

PROBES = 8
"""Threads for questions of health alone: they are answered however much there is to do."""
REQUESTS = 256
"""Requests to models under way at a time, for which a thread waits; what computes are the models' own threads."""

LOOK = 0.2
"""Seconds until the main thread looks whether it was asked to end."""

KEEP_ALIVE = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000)]
"""How soon a client whose network is gone is noticed: it answers no more."""
CONNECTIONS = [("grpc.server_handshake_timeout_ms", 20_000), ("grpc.max_concurrent_streams", 1024)]
"""How soon a connection has to speak gRPC, and how many calls it may have under way; its client waits with more."""

NO_PROBES = [("grpc.http2.bdp_probe", 0)]
"""The window is as large as it shall be from the beginning: no client is woken to find out how fast its network is."""


class RunningServer:
    """A server that runs in threads of this process; use it in a ``with`` block, or `stop` it."""

    def __init__(self, server: grpc.Server, doors: Sequence[Door], backend: Backend, host: str, port: int) -> None:
        self._server, self.doors, self.backend, self.port = server, doors, backend, port
        self.address = host if host.startswith("unix:") else f"{host}:{port}"

    @property
    def session(self) -> Session:
        """What the server holds for its clients."""
        return self.backend.session

    def stop(self) -> None:
        """Take no more calls, give those under way some seconds, let every object go."""
        self.backend.end()
        ended = self._server.stop(self.backend.options.grace)
        for door in self.doors:
            door.stop()
        self.backend.clients.dismiss()
        self.session.reset()
        ended.wait()
        self.backend.close()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(options: Options) -> RunningServer:
    """Start a server. ArgumentError for options that make no sense, BridgeError when the address cannot be had."""
    address = options.address
    host = address if address.startswith("unix:") else host_and_port("address", address, options)[0]
    backend = Backend.of(options)
    try:
        return _start(backend, host)
    except CaffeError:
        backend.close()
        raise


def _start(backend: Backend, host: str) -> RunningServer:
    options = backend.options
    settings = [*channel_options(options.max_message), ("grpc.so_reuseport", 0), *KEEP_ALIVE, *CONNECTIONS, *NO_PROBES]
    calls = Pool(options.workers, "caffe-call")
    pools = {
        Right.OPEN: Pool(PROBES, "caffe-probe"),
        Right.INFER: Pool(REQUESTS, "caffe-request"),
        Right.TRAIN: calls,
        Right.ADMIN: calls,
    }
    served = services(backend)
    recorder = Recorder(backend.journal, {name for each in served for name in each.methods()})
    server = grpc.server(calls, interceptors=[recorder, Gate(backend.access)], options=settings)
    server.add_generic_rpc_handlers([handlers(each, backend, pools) for each in served])
    credentials = options.tls.credentials() if options.tls is not None else None
    try:
        if credentials is None:
            port = server.add_insecure_port(options.address)
        else:
            port = server.add_secure_port(options.address, credentials)
    except RuntimeError as error:
        remedy = "choose another port, or end the program that has it"
        raise BridgeError(options.address, f"cannot listen there: {error}", remedy) from None
    try:
        doors = open_doors(backend)
    except CaffeError:
        server.stop(0)
        raise
    server.start()
    backend.open()
    return RunningServer(server, doors, backend, host, port)


def serve(options: Options, ready: Callable[[RunningServer], None] = lambda server: None) -> None:
    """Serve until the process is asked to end (SIGINT, SIGTERM); ``ready`` is called when calls are taken.

    To be called from the main thread.
    """
    if options.log_format == "json":
        log_as_json()
    asked = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with start(options) as server:
            ready(server)
            while not asked.wait(LOOK):  # for ever, a signal that came to another thread would not wake this one
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
