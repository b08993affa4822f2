"""Replies of the HTTP door: JSON, errors as Triton words them, compression as the client asks."""

from __future__ import annotations

import json
import logging
import zlib

from aiohttp import web

from caffe_sdk.errors import CaffeError, InternalError

log = logging.getLogger(__name__)

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "DATA_LOSS": 400,  # of what the client sent: an image cut short
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP's numbers for the statuses of errors; 500 for all others."""

RETRY_SECONDS = "1"
"""When to come back, where there is too much to do or what is asked for is not ready."""

SMALLEST = 1024  # bytes; less is not worth compressing


def json_reply(value: object, status: int = 200) -> web.Response:
    """Some JSON."""
    return web.Response(body=json.dumps(value).encode(), status=status, content_type="application/json")


def error_reply(error: Exception) -> web.Response:
    """``{"error": words}`` with the error's status."""
    if not isinstance(error, CaffeError):
        log.error("a request failed in a way it should not", exc_info=error)
        error = InternalError("server", f"{type(error).__name__}: {error}", "please report it, with the server's log")
    reply = json_reply({"error": str(error)}, STATUSES.get(error.status, 500))
    if reply.status == 401:
        reply.headers["WWW-Authenticate"] = "Bearer"
    if reply.status in (429, 503):
        reply.headers["Retry-After"] = RETRY_SECONDS
    return reply


def refusal(error: web.HTTPException) -> web.Response:
    """What aiohttp refuses by itself: no such path, another method, a body that is too long."""
    reply = json_reply({"error": f"{error.reason}"}, error.status)
    if "Allow" in error.headers:
        reply.headers["Allow"] = error.headers["Allow"]
    return reply


def compress(data: bytes, accepted: str) -> tuple[bytes, str]:
    """The data as an ``Accept-Encoding`` header likes it, and the name of the encoding; "" for as it is.

    Numbers hardly shrink, so speed counts: level 1.
    """
    names = [
        name.partition(";")[0].strip().lower() for name in accepted.split(",") if ";q=0" not in name.replace(" ", "")
    ]
    for name, bits in (("gzip", 31), ("deflate", 15)):
        if name in names and len(data) >= SMALLEST:
            compressor = zlib.compressobj(1, wbits=bits)
            return compressor.compress(data) + compressor.flush(), name
    return data, ""
