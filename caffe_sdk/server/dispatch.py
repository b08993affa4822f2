"""From the descriptors of services to handlers of calls: who calls is worked out, errors become statuses."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.errors import ArgumentError
from caffe_sdk.rpc.transport import SESSION_KEY
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call
from caffe_sdk.server.faults import abort
from caffe_sdk.server.security.gate import authorization
from caffe_sdk.server.security.rights import Right, of_call
from caffe_sdk.server.services import Served
from caffe_sdk.server.watchdog import Watchdog, Watched

MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""By whether requests, and whether replies, are streams."""

SESSION_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")

Begin = Callable[[grpc.ServicerContext], AbstractContextManager[tuple[Call, Watched]]]
Send = Callable[[Any], None]
Pools = Mapping[Right, ThreadPoolExecutor]


def handlers(served: Served, backend: Backend, pools: Pools | None = None) -> grpc.GenericRpcHandler[Any, Any]:
    """Handlers for the calls of a service, by the names of the methods that answer them.

    ``pools`` has threads for calls by the right they take; the server's own are for the rest.
    """
    made = {}
    for call in served.descriptor.methods:
        answer = getattr(served.service, method_name(call.name))
        method = f"/{served.descriptor.full_name}/{call.name}"
        begin = functools.partial(_call, method, backend)
        behaviour = _behaviour(answer, call.server_streaming, begin, backend.watchdog)
        pool = (pools or {}).get(of_call(method))
        if pool is not None:
            behaviour.experimental_thread_pool = pool
        made[call.name] = MAKERS[call.client_streaming, call.server_streaming](
            behaviour,
            request_deserializer=getattr(answer, "decode", GetMessageClass(call.input_type).FromString),
            response_serializer=getattr(answer, "encode", GetMessageClass(call.output_type).SerializeToString),
        )
    return grpc.method_handlers_generic_handler(served.descriptor.full_name, made)


def method_name(call: str) -> str:
    """The name of the method that answers a call: ``GetBlobs`` is ``get_blobs``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower()


def _behaviour(answer: Callable[..., Any], streams: bool, begin: Begin, watchdog: Watchdog) -> Any:
    """What gRPC calls to have a call answered."""
    if getattr(answer, "held_open", False):
        behaviour = functools.partial(_held, answer, begin)
        behaviour.experimental_non_blocking = True  # type: ignore[attr-defined] # gRPC's own health service does it
        return behaviour
    return functools.partial(_stream, answer, begin, watchdog) if streams else functools.partial(_one, answer, begin)


@contextlib.contextmanager
def _call(method: str, backend: Backend, context: grpc.ServicerContext) -> Iterator[tuple[Call, Watched]]:
    """A call, for as long as it is under way; errors end it with their status."""
    metadata = context.invocation_metadata()
    try:
        identity = backend.access.admit_call(method, authorization(metadata))
        identity = identity if identity.name else replace(identity, name=common_name(context))
        limited = of_call(method) > Right.INFER
        with (
            backend.clients.calling(identity.name, session_name(metadata), limited) as client,
            backend.watchdog.watching(context) as watched,
        ):
            yield Call(method, identity, client, context), watched
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the server lives on
        abort(error, context)


def _one(answer: Callable[[Any, Call], Any], begin: Begin, request: Any, context: grpc.ServicerContext) -> Any:
    with begin(context) as (call, _):
        return answer(request, call)


def _stream(
    answer: Callable[[Any, Call], Generator[Any, None, None]],
    begin: Begin,
    watchdog: Watchdog,
    request: Any,
    context: grpc.ServicerContext,
) -> Iterator[Any]:
    with begin(context) as (call, watched), closing(answer(request, call)) as replies:
        for reply in replies:
            watchdog.sending(watched)
            yield reply
            watched.sending = None


def _held(
    answer: Callable[[Any, Call, Send], None],
    begin: Begin,
    request: Any,
    context: grpc.ServicerContext,
    send_response_callback: Send,
) -> None:
    with begin(context) as (call, _):
        answer(request, call, send_response_callback)


def common_name(context: grpc.ServicerContext) -> str:
    """Whom the client's certificate names; empty where it needs none."""
    found: dict[str, list[bytes]] = dict(context.auth_context())  # type: ignore[arg-type] # the stubs are wrong
    return b"".join(found.get("x509_common_name", [])[:1]).decode("utf-8", "replace")


def session_name(metadata: Any) -> str:
    """The name a client goes by. ArgumentError for one that could be mistaken or misused."""
    name = next((str(value) for key, value in metadata or () if key == SESSION_KEY), "")
    if name and not SESSION_NAME.fullmatch(name):
        raise ArgumentError(SESSION_KEY, f"{name[:80]!r} is no name of a session", "give 16 to 64 of A-Z a-z 0-9 - _")
    return name
