"""The gRPC door: nets and solvers for clients on the network (``proto/caffe_sdk/v1``)."""

from __future__ import annotations

from caffe_sdk.server.options import Options
from caffe_sdk.server.server import RunningServer, serve, start

__all__ = ["Options", "RunningServer", "serve", "start"]
