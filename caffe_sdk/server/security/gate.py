"""The gate: a call is refused before its message is read, let alone decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc

from caffe_sdk.errors import CaffeError
from caffe_sdk.server.faults import abort
from caffe_sdk.server.security.access import Access


class Gate(grpc.ServerInterceptor):  # type: ignore[type-arg] # generic in the stubs only
    """Lets those calls through that their callers have a right to."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """The call's handler, or one that refuses it."""
        method, metadata = handler_call_details.method, handler_call_details.invocation_metadata
        try:
            self._access.admit_call(method, authorization(metadata))
        except CaffeError as error:
            return _refusing(error)
        return continuation(handler_call_details)


def authorization(metadata: Any) -> str | None:
    """The header that says who calls."""
    return next((str(value) for key, value in metadata or () if key == "authorization"), None)


def _refusing(error: CaffeError) -> Any:
    """A handler that refuses whatever comes. As a stream it is called at once, before any message has come."""

    def refuse(_requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        abort(error, context)

    return grpc.stream_stream_rpc_method_handler(refuse)
