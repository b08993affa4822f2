"""From the descriptors of services to handlers of calls: who calls is worked out, errors become statuses."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.errors import ArgumentError
from caffe_sdk.rpc.transport import SESSION_KEY
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call
from caffe_sdk.server.faults import abort
from caffe_sdk.server.pool import Pool
from caffe_sdk.server.security.gate import authorization
from caffe_sdk.server.security.rights import Right, of_call
from caffe_sdk.server.services import Served
from caffe_sdk.server.watchdog import Watchdog, Watched

MAKERS = {False: grpc.stream_unary_rpc_method_handler, True: grpc.stream_stream_rpc_method_handler}
"""By whether replies are a stream. Requests always are one for gRPC, if only of one message, which changes nothing on
the wire: so a call is known, counted and watched before its message has come."""

SESSION_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")

Begin = Callable[[grpc.ServicerContext], AbstractContextManager[tuple[Call, Watched]]]
Answer = Callable[..., Any]
Messages = Iterator[Any]
Take = Callable[[Messages, Watched], Any]
Send = Callable[[Any], None]
Pools = Mapping[Right, Pool]


@dataclass(frozen=True)
class Malformed:
    """Stands for a message whose bytes are none."""

    error: Exception


def handlers(served: Served, backend: Backend, pools: Pools | None = None) -> grpc.GenericRpcHandler[Any, Any]:
    """Handlers for the calls of a service, by the names of the methods that answer them.

    ``pools`` has threads for calls by the right they take; the server's own are for the rest.
    """
    made = {}
    for call in served.descriptor.methods:
        answer = getattr(served.service, method_name(call.name))
        method = f"/{served.descriptor.full_name}/{call.name}"
        pool = (pools or {}).get(of_call(method))
        behaviour = _behaviour(call, answer, functools.partial(_call, method, backend, pool), backend.watchdog)
        if pool is not None:
            behaviour.experimental_thread_pool = pool
        decode = getattr(answer, "decode", GetMessageClass(call.input_type).FromString)
        made[call.name] = MAKERS[call.server_streaming](
            behaviour,
            request_deserializer=functools.partial(_decoded, decode),
            response_serializer=getattr(answer, "encode", GetMessageClass(call.output_type).SerializeToString),
        )
    return grpc.method_handlers_generic_handler(served.descriptor.full_name, made)


def method_name(call: str) -> str:
    """The name of the method that answers a call: ``GetBlobs`` is ``get_blobs``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower()


def _behaviour(call: Any, answer: Answer, begin: Begin, watchdog: Watchdog) -> Any:
    """What gRPC calls to have a call answered."""
    take: Take
    if not call.client_streaming:
        take = functools.partial(_only, watchdog, call.input_type.full_name)
    elif getattr(answer, "idle", False):
        take = _left
    else:
        take = functools.partial(_awaited, watchdog, call.input_type.full_name)
    if getattr(answer, "held_open", False):
        behaviour = functools.partial(_held, answer, begin, take)
        behaviour.experimental_non_blocking = True  # type: ignore[attr-defined] # gRPC's own health service does it
        return behaviour
    if call.server_streaming:
        return functools.partial(_stream, answer, begin, take, watchdog)
    return functools.partial(_one, answer, begin, take, watchdog)


@contextlib.contextmanager
def _call(
    method: str, backend: Backend, pool: Pool | None, context: grpc.ServicerContext
) -> Iterator[tuple[Call, Watched]]:
    """A call, for as long as it is under way; errors end it with their status."""
    metadata = context.invocation_metadata()
    try:
        identity = backend.access.admit_call(method, authorization(metadata))
        if not identity.name and backend.options.certified:
            identity = replace(identity, name=common_name(context))
        own = of_call(method) > Right.INFER
        with (
            backend.clients.calling(identity.name, session_name(metadata), own) as client,
            backend.watchdog.watching(context, pool) as watched,
        ):
            yield Call(method, identity, client, context), watched
    except grpc.RpcError:  # gRPC's word for a client that went away while a message was awaited
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the server lives on
        abort(error, context)


def _one(
    answer: Answer, begin: Begin, take: Take, watchdog: Watchdog, messages: Messages, context: grpc.ServicerContext
) -> Any:
    with begin(context) as (call, watched):
        reply = answer(take(messages, watched), call)
        watchdog.replying(context, call.when_over)
        return reply


def _stream(
    answer: Callable[[Any, Call], Generator[Any, None, None]],
    begin: Begin,
    take: Take,
    watchdog: Watchdog,
    messages: Messages,
    context: grpc.ServicerContext,
) -> Iterator[Any]:
    with begin(context) as (call, watched), closing(answer(take(messages, watched), call)) as replies:
        for reply in replies:
            watchdog.sending(watched)
            yield reply
            watched.sending = None


def _held(
    answer: Callable[[Any, Call, Send], None],
    begin: Begin,
    take: Take,
    messages: Messages,
    context: grpc.ServicerContext,
    send_response_callback: Send,
) -> None:
    with begin(context) as (call, watched):
        answer(take(messages, watched), call, send_response_callback)


def _decoded(decode: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return decode(data)
    except Exception as error:  # noqa: BLE001 - whatever the bytes do to it, the call that sent them is told
        return Malformed(error)


def _only(watchdog: Watchdog, name: str, messages: Messages, watched: Watched) -> Any:
    """The one message of a call. ArgumentError where there is none."""
    for message in _awaited(watchdog, name, messages, watched):
        return message
    raise ArgumentError("request", "none came with the call", f"send one {name}")


def _awaited(watchdog: Watchdog, name: str, messages: Messages, watched: Watched) -> Messages:
    """The messages of a call. The watchdog knows when one is awaited. ArgumentError for bytes that are none."""
    while True:
        watchdog.receiving(watched)
        try:
            message = next(messages)
        except StopIteration:
            return
        finally:
            watched.receiving = None
        if isinstance(message, Malformed):
            raise ArgumentError("request", f"the bytes are no {name}: {message.error}", "send one") from None
        yield message


def _left(messages: Messages, _watched: Watched) -> Messages:
    """The messages of a call whose clients may take all their time; how they are decoded never fails."""
    return messages


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
