"""Errors turned into the statuses of calls."""

from __future__ import annotations

import logging
import re
from typing import NoReturn

import grpc

from caffe_sdk.errors import CaffeError, InternalError
from caffe_sdk.rpc import faults

PATH = re.compile(r"(?<![\w.])/[^\s'\":,;]+/[^\s'\":,;]*")
"""Paths in words that are not ours: where the server's files are is nobody's business."""

log = logging.getLogger(__name__)


def abort(error: Exception, context: grpc.ServicerContext) -> NoReturn:
    """End the call with the error's status, words and parts."""
    if not isinstance(error, CaffeError):
        log.error("a call failed in a way it should not", exc_info=error)
        words = PATH.sub("...", f"{type(error).__name__}: {error}")
        error = InternalError("server", words, "please report it, with the server's log")
    message = faults.to_message(error)
    said = context.trailing_metadata() or ()
    context.set_trailing_metadata((*said, (faults.METADATA_KEY, message.SerializeToString())))
    context.abort(grpc.StatusCode[error.status], str(faults.from_message(message)))
