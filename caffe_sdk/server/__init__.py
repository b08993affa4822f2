"""The gRPC door: models, nets and solvers for clients on the network (``proto/caffe_sdk/v1``)."""

from __future__ import annotations

from caffe_sdk.server.options import Options
from caffe_sdk.server.security.limits import Limits
from caffe_sdk.server.security.tls import Tls
from caffe_sdk.server.server import RunningServer, serve, start

__all__ = ["Limits", "Options", "RunningServer", "Tls", "serve", "start"]
