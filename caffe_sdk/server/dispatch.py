"""From the descriptors of services to handlers of calls: who calls is worked out, errors become statuses."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call
from caffe_sdk.server.faults import abort
from caffe_sdk.server.security.gate import authorization
from caffe_sdk.server.services import Served

MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""By whether requests, and whether replies, are streams."""


def handlers(served: Served, backend: Backend) -> grpc.GenericRpcHandler[Any, Any]:
    """Handlers for the calls of a service, by the names of the methods that answer them."""
    made = {}
    for call in served.descriptor.methods:
        answer = getattr(served.service, method_name(call.name))
        method = f"/{served.descriptor.full_name}/{call.name}"
        run = functools.partial(_stream if call.server_streaming else _one, answer, method, backend)
        made[call.name] = MAKERS[call.client_streaming, call.server_streaming](
            run,
            request_deserializer=GetMessageClass(call.input_type).FromString,
            response_serializer=GetMessageClass(call.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(served.descriptor.full_name, made)


def method_name(call: str) -> str:
    """The name of the method that answers a call: ``GetBlobs`` is ``get_blobs``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower()


def _one(
    answer: Callable[[Any, Call], Any], method: str, backend: Backend, request: Any, context: grpc.ServicerContext
) -> Any:
    try:
        return answer(request, _call(method, backend, context))
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told and the server lives on
        abort(error, context)


def _stream(
    answer: Callable[[Any, Call], Iterator[Any]],
    method: str,
    backend: Backend,
    request: Any,
    context: grpc.ServicerContext,
) -> Iterator[Any]:
    try:
        yield from answer(request, _call(method, backend, context))
    except Exception as error:  # noqa: BLE001
        abort(error, context)


def _call(method: str, backend: Backend, context: grpc.ServicerContext) -> Call:
    identity = backend.access.admit_call(method, authorization(context.invocation_metadata()))
    return Call(method, identity, context)
