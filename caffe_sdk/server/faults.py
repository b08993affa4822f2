"""Errors turned into the statuses of calls."""

from __future__ import annotations

import logging
from typing import NoReturn

import grpc

from caffe_sdk.errors import CaffeError, InternalError
from caffe_sdk.rpc import faults

log = logging.getLogger(__name__)


def abort(error: Exception, context: grpc.ServicerContext) -> NoReturn:
    """End the call with the error's status, words and parts."""
    if not isinstance(error, CaffeError):
        log.error("a call failed in a way it should not", exc_info=error)
        error = InternalError("server", f"{type(error).__name__}: {error}", "please report it, with the server's log")
    message = faults.to_message(error)
    context.set_trailing_metadata(((faults.METADATA_KEY, message.SerializeToString()),))
    context.abort(grpc.StatusCode[error.status], str(faults.from_message(message)))
