"""The server: handlers built from the service descriptors, errors turned into statuses, start and orderly end."""

from __future__ import annotations

import functools
import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import grpc
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.app.paths import Inside
from caffe_sdk.app.session import Session
from caffe_sdk.errors import ArgumentError, BridgeError, CaffeError, InternalError
from caffe_sdk.rpc import faults, pb
from caffe_sdk.rpc.transport import MAX_MESSAGE, channel_options
from caffe_sdk.server.health import Health
from caffe_sdk.server.health import pb as health_pb
from caffe_sdk.server.service import Service

log = logging.getLogger(__name__)

SERVICES = (pb.Server, pb.Nets, pb.Solvers)


@dataclass(frozen=True)
class Options:
    """How a server serves."""

    address: str = "127.0.0.1:50051"
    """Host and port, port 0 for any free one; or ``unix:/path``."""
    models: str | None = None
    """The folder in which clients may open files; None: they send text and bytes."""
    workers: int = 64
    """Calls that run at a time, streams of progress included; others wait."""
    max_message: int = MAX_MESSAGE
    """Bytes a message may have, either way; protobuf ends at 2 GiB."""
    insecure: bool = False
    """Whether to listen beyond this computer, to anybody: there is no encryption and no password."""
    grace: float = 5.0
    """Seconds that calls under way are given when the server ends."""


class RunningServer:
    """A server that runs in threads of this process; use it in a ``with`` block, or `stop` it."""

    def __init__(self, server: grpc.Server, session: Session, host: str, port: int, grace: float) -> None:
        self._server, self.session, self.port, self._grace = server, session, port, grace
        self.address = host if host.startswith("unix:") else f"{host}:{port}"

    def stop(self) -> None:
        """Take no more calls, give those under way some seconds, let every object go."""
        ended = self._server.stop(self._grace)
        self.session.reset()
        ended.wait()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(options: Options) -> RunningServer:
    """Start a server. ArgumentError for options that make no sense, BridgeError when the address cannot be had."""
    host = _checked_host(options)
    session = Session(Inside(options.models))
    settings = [*channel_options(options.max_message), ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(options.workers, "caffe-call"), options=settings)
    service, health = Service(session), Health([descriptor.full_name for descriptor in SERVICES])
    server.add_generic_rpc_handlers([_handlers(descriptor, service) for descriptor in SERVICES])
    server.add_generic_rpc_handlers([_handlers(health_pb.Health, health)])
    try:
        port = server.add_insecure_port(options.address)
    except RuntimeError as error:
        remedy = "choose another port, or end the program that has it"
        raise BridgeError(options.address, f"cannot listen there: {error}", remedy) from None
    server.start()
    return RunningServer(server, session, host, port, options.grace)


def serve(options: Options, ready: Callable[[RunningServer], None] = lambda server: None) -> None:
    """Serve until the process is asked to end (SIGINT, SIGTERM); ``ready`` is called when calls are taken.

    To be called from the main thread.
    """
    asked = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with start(options) as server:
            ready(server)
            asked.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _checked_host(options: Options) -> str:
    """The host of the address, if the server may listen there."""
    address = options.address
    if address.startswith("unix:"):
        return address
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentError("address", f"'{address}' is no host and port", "give one such as 127.0.0.1:50051")
    local = host in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d+){3}", host)
    if not local and not options.insecure:
        what = f"'{address}' is open to other computers, and there is no encryption and no password"
        raise ArgumentError("address", what, "listen on 127.0.0.1, or say that it shall be insecure")
    return host


def _handlers(descriptor: Any, service: Service | Health) -> grpc.GenericRpcHandler[Any, Any]:
    """Handlers for the calls of a service, by the names of the methods that answer them."""
    handlers = {}
    for call in descriptor.methods:
        answer = getattr(service, re.sub(r"(?<!^)(?=[A-Z])", "_", call.name).lower())
        make = grpc.unary_stream_rpc_method_handler if call.server_streaming else grpc.unary_unary_rpc_method_handler
        handlers[call.name] = make(
            functools.partial(_stream if call.server_streaming else _call, answer),
            request_deserializer=GetMessageClass(call.input_type).FromString,
            response_serializer=GetMessageClass(call.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _call(answer: Callable[[Any], Any], request: Any, context: grpc.ServicerContext) -> Any:
    try:
        return answer(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the server lives on
        _abort(error, context)


def _stream(answer: Callable[[Any], Iterator[Any]], request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    try:
        yield from answer(request)
    except Exception as error:  # noqa: BLE001
        _abort(error, context)


def _abort(error: Exception, context: grpc.ServicerContext) -> NoReturn:
    """End the call with the error's status, words and parts."""
    if not isinstance(error, CaffeError):
        log.error("a call failed in a way it should not", exc_info=error)
        error = InternalError("server", f"{type(error).__name__}: {error}", "please report it, with the server's log")
    message = faults.to_message(error)
    context.set_trailing_metadata(((faults.METADATA_KEY, message.SerializeToString()),))
    context.abort(grpc.StatusCode[error.status], str(faults.from_message(message)))
