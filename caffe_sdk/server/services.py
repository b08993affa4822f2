"""What a server serves: the list of its gRPC services, and of the doors it opens beside gRPC."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from caffe_sdk.errors import ArgumentError
from caffe_sdk.rpc import pb
from caffe_sdk.server import reflection
from caffe_sdk.server.address import host_and_port
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.health import Health
from caffe_sdk.server.health import pb as health_pb
from caffe_sdk.server.inference import pb as inference_pb
from caffe_sdk.server.inference.service import InferenceService
from caffe_sdk.server.native.information import Server
from caffe_sdk.server.native.models import Models
from caffe_sdk.server.native.nets import Nets
from caffe_sdk.server.native.solvers import Solvers
from caffe_sdk.server.reflection import Reflection


class Served(NamedTuple):
    """A service of a .proto, and the object that answers its calls.

    The method for ``GetInformation`` is ``get_information(request, call)``, where ``call`` is a
    `caffe_sdk.server.call.Call`; for a stream of requests ``request`` is their iterator, and for a stream of replies
    the method is a generator. Errors are raised as CaffeErrors.
    """

    descriptor: Any
    service: object

    def methods(self) -> list[str]:
        """The full names of its calls, ``/package.Service/Method``."""
        return [f"/{self.descriptor.full_name}/{call.name}" for call in self.descriptor.methods]


class Door(Protocol):
    """Another way in, such as HTTP."""

    address: str
    """Where it listens, such as ``http://127.0.0.1:8000``."""

    def stop(self) -> None:
        """Take no more requests, and end those under way within the options' grace."""


def services(backend: Backend) -> list[Served]:
    """Everything that is served over gRPC. Each service has its line here, and its rights in ``security/rights.py``."""
    served = [
        Served(pb.Server, Server(backend)),
        Served(pb.Models, Models(backend)),
        Served(pb.Nets, Nets(backend)),
        Served(pb.Solvers, Solvers(backend)),
    ]
    if backend.repository is not None:
        served.append(Served(inference_pb.GRPCInferenceService, InferenceService(backend.repository, backend.ending)))
    names = [each.descriptor.full_name for each in served]
    health = Health(names, functools.partial(_serving, backend), backend.ending.is_set, backend.watchdog)
    backend.listen(health.tell)
    served.append(Served(health_pb.Health, health))
    descriptors = [*(each.descriptor for each in served), *reflection.SERVICES]
    return [*served, *(Served(each, Reflection(each, descriptors)) for each in reflection.SERVICES)]


def _serving(backend: Backend, service: str) -> bool:
    """Whether a service takes calls, or with "" the server."""
    if backend.repository is not None and service == inference_pb.GRPCInferenceService.full_name:
        return backend.repository.ready() and not backend.ending.is_set()
    return not backend.ending.is_set()


def open_doors(backend: Backend) -> Sequence[Door]:
    """Open the doors beside gRPC that the options ask for; each listens when this returns."""
    options = backend.options
    if options.http is None:
        return []
    if backend.repository is None:
        raise ArgumentError("http", "there are no models to serve", "name their folder: --models DIR")
    from caffe_sdk.server.http.door import HttpDoor  # aiohttp takes a while, so only who wants it waits for it

    host, port = host_and_port("http", options.http, options)
    tls = options.tls.context() if options.tls is not None else None
    return [HttpDoor(backend, backend.repository, host, port, tls)]
