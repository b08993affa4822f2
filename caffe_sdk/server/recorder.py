"""gRPC's calls in the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import grpc

from caffe_sdk.server.journal import ID_HEADER, Entry, Journal

MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
KINDS = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}
"""By whether requests, and whether replies, are streams: what makes a handler, and where it has its function."""


class Recorder(grpc.ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs only
    """Notes every call, those that are refused at the gate included."""

    def __init__(self, journal: Journal, methods: Collection[str]) -> None:
        """``methods`` are those that there are; clients may name others without end, which are counted as one."""
        self._journal, self._methods = journal, methods

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """The call's handler, which notes what passes through it. It is asked for once for each call."""
        handler = continuation(handler_call_details)
        if handler is None or getattr(_answer(handler), "experimental_non_blocking", False):
            return handler  # a stream that outlives its function, such as Health.Watch, is no request
        wanted = next((str(value) for key, value in handler_call_details.invocation_metadata if key == ID_HEADER), None)
        method = handler_call_details.method
        entry = self._journal.begin("grpc", method if method in self._methods else "(no such method)", wanted)
        return _Recorded(self._journal, entry, handler).handler()


class _Recorded:
    """One call under way."""

    def __init__(self, journal: Journal, entry: Entry, handler: Any) -> None:
        self._journal, self._entry, self._handler = journal, entry, handler

    def handler(self) -> Any:
        """The handler, with notes taken."""
        inner = self._handler
        kind = (inner.request_streaming, inner.response_streaming)
        answer = _answer(inner)
        noted: Any = (self._stream if inner.response_streaming else self._one)(answer)
        noted.experimental_thread_pool = getattr(answer, "experimental_thread_pool", None)  # gRPC looks for it here
        return MAKERS[kind](
            noted,
            request_deserializer=self._received,
            response_serializer=self._sent,
        )

    def _received(self, data: bytes) -> Any:
        self._entry.received += len(data)
        request = self._handler.request_deserializer(data) if self._handler.request_deserializer else data
        if not self._entry.model:
            self._entry.model = str(getattr(request, "model_name", "") or getattr(request, "name", ""))
        return request

    def _sent(self, reply: Any) -> Any:
        data = self._handler.response_serializer(reply) if self._handler.response_serializer else reply
        self._entry.sent += len(data)
        if not self._handler.response_streaming:
            self._journal.end(self._entry, "OK")
        return data

    def _one(self, answer: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def noted(request: Any, context: Any) -> Any:
            context.set_trailing_metadata(self._greeting(context))  # sent by itself, ahead, it would wake the client
            try:
                return answer(request, context)
            except BaseException:
                status = _status(context)
                self._journal.end(self._entry, "UNKNOWN" if status == "OK" else status)
                raise

        return noted

    def _stream(self, answer: Callable[[Any, Any], Iterator[Any]]) -> Callable[[Any, Any], Iterator[Any]]:
        def noted(request: Any, context: Any) -> Iterator[Any]:
            context.send_initial_metadata(self._greeting(context))
            try:
                yield from answer(request, context)
            finally:
                self._journal.end(self._entry, _status(context))

        return noted

    def _greeting(self, context: Any) -> tuple[tuple[str, str], ...]:
        """The metadata by which the client learns its request's id."""
        if self._journal.writes:
            self._entry.peer = context.peer()
        return ((ID_HEADER, self._entry.id),)


def _answer(handler: Any) -> Any:
    """The function of a handler."""
    return getattr(handler, KINDS[handler.request_streaming, handler.response_streaming])


def _status(context: Any) -> str:
    """What became of a call: what the server said, or that its client did not wait."""
    if context.code() is not None:
        return str(context.code().name)
    if context.is_active():
        return "OK"
    return "DEADLINE_EXCEEDED" if context.time_remaining() == 0 else "CANCELLED"
