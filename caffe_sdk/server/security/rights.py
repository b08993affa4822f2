"""Which right each call takes: one table for gRPC, one for HTTP.

A call that is in no table takes the highest right, so that what is added without a decision is closed; a test asks that
every call served has its row.
"""

from __future__ import annotations

import enum
import functools
import re

from caffe_sdk.errors import ArgumentError


class Right(enum.IntEnum):
    """What a client may do; each right includes those before it."""

    OPEN = 0
    """Ask whether the server lives: no token needed."""
    INFER = 1
    """Run the models that the operator put into the repository."""
    TRAIN = 2
    """Build nets and solvers of one's own, run and train them, read and write weights and files in the folder."""
    ADMIN = 3
    """Load and unload models of the repository, change how the server logs."""


NAMES = {right.name.lower(): right for right in Right if right is not Right.OPEN}


def right_of(name: str) -> Right:
    """The right that a tokens file names; ArgumentError for other words."""
    if name not in NAMES:
        raise ArgumentError("tokens", f"'{name}' is no right", f"use one of {', '.join(NAMES)}")
    return NAMES[name]


SERVICES = {
    "caffe_sdk.v1.Server": Right.INFER,
    "caffe_sdk.v1.Models": Right.INFER,
    "caffe_sdk.v1.Nets": Right.TRAIN,
    "caffe_sdk.v1.Solvers": Right.TRAIN,
    "inference.GRPCInferenceService": Right.INFER,
    "grpc.health.v1.Health": Right.OPEN,
    "grpc.reflection.v1.ServerReflection": Right.INFER,
    "grpc.reflection.v1alpha.ServerReflection": Right.INFER,
}
"""The right for the calls of a service, but for those below."""

CALLS = {
    "/caffe_sdk.v1.Models/LoadModel": Right.ADMIN,
    "/caffe_sdk.v1.Models/UnloadModel": Right.ADMIN,
    "/inference.GRPCInferenceService/ServerLive": Right.OPEN,
    "/inference.GRPCInferenceService/ServerReady": Right.OPEN,
    "/inference.GRPCInferenceService/RepositoryModelLoad": Right.ADMIN,
    "/inference.GRPCInferenceService/RepositoryModelUnload": Right.ADMIN,
    "/inference.GRPCInferenceService/TraceSetting": Right.ADMIN,
    "/inference.GRPCInferenceService/LogSettings": Right.ADMIN,
}

HTTP = (
    (re.compile(r"/v2/health/(live|ready)|/healthz|/livez|/readyz"), Right.OPEN),
    (re.compile(r"/v2/repository/models/[^/]+/(load|unload)"), Right.ADMIN),
    (re.compile(r"/v2/(trace|logging)(/.*)?"), Right.ADMIN),
    (re.compile(r"/v2(/.*)?|/metrics"), Right.INFER),
)
"""Paths of HTTP requests, whole; the first that matches counts."""


@functools.lru_cache(1024)
def of_call(method: str) -> Right:
    """The right that a gRPC call ``/package.Service/Method`` takes."""
    service = method.rpartition("/")[0].removeprefix("/")
    return CALLS.get(method, SERVICES.get(service, Right.ADMIN))


def of_path(path: str) -> Right:
    """The right that a request for an HTTP path takes, its query left out."""
    return next((right for pattern, right in HTTP if pattern.fullmatch(path)), Right.ADMIN)
