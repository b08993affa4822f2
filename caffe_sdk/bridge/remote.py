"""Nets and solvers on a server, for scripts that were written for nets of one's own: `caffe.connect` in MATLAB.

`RemoteSession` has the methods of `Session` that the bridge calls. Models and weights are files here, and are sent;
what a solver reads and writes (databases, snapshots) is on the server.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from caffe_sdk import client as clients
from caffe_sdk import preprocessing as records
from caffe_sdk.app.blobs import BlobRef, Values
from caffe_sdk.app.descriptions import LayerDescription, NetDescription, Objects, Shape, SolverNets, SolverState
from caffe_sdk.app.images import prepare
from caffe_sdk.app.models import Weights
from caffe_sdk.app.session import HANDLE_BITS, Session, Training
from caffe_sdk.client.asks import PARTS
from caffe_sdk.engine.operation import Between
from caffe_sdk.errors import ArgumentError, HandleError
from caffe_sdk.memory import Array
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.files import read_text
from caffe_sdk.schema.messages import NetParameter, SolverParameter
from caffe_sdk.solver import events

PATIENCE = 10.0  # seconds that a server has to answer


def connect(address: str, security: clients.Security) -> RemoteSession:
    """A session on the server at ``host:port``. Raises BridgeError when nobody answers, what the server raises, and
    FileErrors.
    """
    return RemoteSession(clients.connect(address, PATIENCE, security=security))


class RemoteSession(Session):
    """Nets and solvers of a server, by handles of our own. Raises what the server raises, and BridgeError."""

    def __init__(self, client: clients.Client) -> None:
        super().__init__()
        self._client = client
        self._remote_nets: dict[int, clients.RemoteNet] = {}
        self._remote_solvers: dict[int, tuple[clients.RemoteSolver, SolverNets]] = {}
        self._records: dict[int, Preprocessing | None] = {}
        self._texts: dict[int, str] = {}

    def close(self) -> None:
        """End the connection; the server lets go what was made through it."""
        self._client.close()

    # -- nets ----------------------------------------------------------------------------------------------------------

    def create_net(
        self,
        model: str | None = None,
        text: str | None = None,
        phase: str = "test",
        weights: Weights | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
        preprocessing: Preprocessing | None = None,
    ) -> int:
        content = read_text(model) if model is not None else text or ""
        handle = self._hold(self._client.net(content, phase, weights, level, stages))
        beside = [each for each in (weights, model) if isinstance(each, str)]
        self._records[handle] = preprocessing or records.find(*beside)
        self._texts[handle] = content
        return handle

    def preprocessing(self, net: int) -> Preprocessing | None:
        self._net_of(net)
        return self._records.get(net)

    def prepare(self, net: int, images: Sequence[Array]) -> Array:
        return prepare(cast(Any, self._net_of(net)), self.preprocessing(net), images)

    def describe_net(self, net: int) -> NetDescription:
        found = self._describe(net)
        layers = tuple(
            LayerDescription(
                layer.name,
                layer.type,
                tuple(layer.bottoms),
                tuple(layer.tops),
                tuple(tuple(shape.dims) for shape in layer.params),
            )
            for layer in found.layers
        )
        blobs = tuple((blob.name, tuple(blob.shape.dims)) for blob in found.blobs)
        phase = "train" if found.phase == pb.PHASE_TRAIN else "test"
        return NetDescription(found.name, phase, layers, blobs, tuple(found.inputs), tuple(found.outputs))

    def get_blobs(self, net: int, blobs: Iterable[BlobRef], which: str = "data") -> list[Array]:
        held = self._net_of(net)
        return [held.get(_reference(blob), which) for blob in blobs]

    def set_blobs(self, net: int, values: Iterable[Values]) -> None:
        request = pb.SetBlobsRequest(net=self._net_of(net).handle)
        for blob, which, array in values:
            entry = request.blobs.add(blob=_reference(blob), part=PARTS[which])
            put(entry.values, np.asarray(array))
        self._client.call("SetBlobs", request)

    def blob_shape(self, net: int, blob: BlobRef) -> Shape:
        found = self._describe(net)
        if isinstance(blob, str):
            shapes = [each.shape for each in found.blobs if each.name == blob]
        else:
            name, index = blob
            shapes = [shape for each in found.layers if each.name == name for shape in each.params[index : index + 1]]
        if not shapes:
            raise ArgumentError(f"net '{found.name}'", f"there is no blob {blob!r}", "see net.blob_names")
        return tuple(shapes[0].dims)

    def reshape_blob(self, net: int, blob: BlobRef, shape: Sequence[int]) -> None:
        self._net_of(net).reshape_blob(_reference(blob), shape)

    def reshape_net(self, net: int) -> None:
        self._net_of(net).reshape()

    def forward(
        self,
        net: int,
        inputs: Mapping[str, Array] | None = None,
        start: str | None = None,
        end: str | None = None,
        blobs: Sequence[str] = (),
        between: Between | None = None,
    ) -> dict[str, Array]:
        return self._net_of(net).forward(blobs, start, end, **(inputs or {}))

    def backward(
        self,
        net: int,
        diffs: Mapping[str, Array] | None = None,
        start: str | None = None,
        end: str | None = None,
        blobs: Sequence[str] = (),
        between: Between | None = None,
    ) -> dict[str, Array]:
        return self._net_of(net).backward(blobs, start, end, **(diffs or {}))

    def copy_from(self, net: int, weights: Weights) -> list[str]:
        return self._net_of(net).copy_from(weights)

    def save_net(self, net: int, path: str) -> None:
        self._net_of(net).save(path)

    def net_text(self, net: int) -> str:
        held = self._net_of(net)
        if net not in self._texts:
            what = "a solver's net has its description on the server only"
            raise ArgumentError(f"net '{held.name}'", what, "keep its prototxt, and save its weights")
        return self._texts[net]

    # -- solvers -------------------------------------------------------------------------------------------------------

    def create_solver(self, path: str | None = None, text: str | None = None) -> int:
        solver = self._client.solver(_with_nets(read_text(path) if path is not None else text or "", path or "solver"))
        handle = _new_handle()
        nets = SolverNets(self._hold(solver.net), tuple(self._hold(net) for net in solver.test_nets))
        self._remote_solvers[handle] = solver, nets
        return handle

    def solver_nets(self, solver: int) -> SolverNets:
        return self._solver_of(solver)[1]

    def solver_state(self, solver: int) -> SolverState:
        held, _ = self._solver_of(solver)
        return SolverState(held.iter, held.max_iter, held.training)

    def step(self, solver: int, iterations: int) -> Training:
        return _events(self._solver_of(solver)[0], iterations)

    def solve(self, solver: int) -> Training:
        return _events(self._solver_of(solver)[0], None)

    def restore(self, solver: int, path: str) -> None:
        self._solver_of(solver)[0].restore(path)

    def snapshot(self, solver: int) -> str:
        return self._solver_of(solver)[0].snapshot()

    # -- letting go ----------------------------------------------------------------------------------------------------

    def release(self, handle: int) -> None:
        if handle in self._remote_solvers:
            solver, nets = self._remote_solvers.pop(handle)
            for net in (nets.net, *nets.test_nets):
                del self._remote_nets[net]
            solver.close()
        elif handle in self._remote_nets and not self._is_of_solver(handle):
            self._remote_nets.pop(handle).close()
            self._records.pop(handle, None)
            self._texts.pop(handle, None)

    def reset(self) -> Objects:
        solvers = list(self._remote_solvers)
        nets = [handle for handle in self._remote_nets if not self._is_of_solver(handle)]
        for handle in (*solvers, *nets):
            self.release(handle)
        return Objects(len(solvers), len(nets))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _hold(self, net: clients.RemoteNet) -> int:
        handle = _new_handle()
        self._remote_nets[handle] = net
        return handle

    def _is_of_solver(self, net: int) -> bool:
        return any(net in (nets.net, *nets.test_nets) for _, nets in self._remote_solvers.values())

    def _net_of(self, handle: int) -> clients.RemoteNet:
        if handle not in self._remote_nets:
            raise HandleError("", f"there is no net {handle}", "it was released or never made: create it anew")
        return self._remote_nets[handle]

    def _solver_of(self, handle: int) -> tuple[clients.RemoteSolver, SolverNets]:
        if handle not in self._remote_solvers:
            raise HandleError("", f"there is no solver {handle}", "it was released or never made: create it anew")
        return self._remote_solvers[handle]

    def _describe(self, net: int) -> Any:
        return self._client.call("DescribeNet", pb.DescribeNetRequest(net=self._net_of(net).handle))


def _new_handle() -> int:
    return 1 + secrets.randbits(HANDLE_BITS - 1)


def _reference(blob: BlobRef) -> Any:
    if isinstance(blob, str):
        return pb.BlobReference(name=blob)
    return pb.BlobReference(parameter=pb.Parameter(layer=blob[0], index=blob[1]))


def _with_nets(text: str, where: str) -> str:
    """A solver's prototxt with the nets it names, which are files here, written out in it."""
    solver = prototxt.parse(text, SolverParameter, where)
    if solver.net:
        prototxt.parse(read_text(solver.net), solver.net_param, solver.net)
        solver.ClearField("net")
    if solver.train_net:
        prototxt.parse(read_text(solver.train_net), solver.train_net_param, solver.train_net)
        solver.ClearField("train_net")
    for path in solver.test_net:
        solver.test_net_param.append(prototxt.parse(read_text(path), NetParameter, path))
    solver.ClearField("test_net")
    return prototxt.format(solver)


def _events(solver: clients.RemoteSolver, iterations: int | None) -> Training:
    """What happens while a solver on the server trains, as a solver of one's own tells it."""
    stream = solver.events(iterations)
    try:
        for message in stream:
            yield _event(message)
    finally:
        stream.close()  # type: ignore[attr-defined]


def _event(message: Any) -> Any:
    values = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    if "outputs" in values:
        values["outputs"] = tuple(events.Output(each.name, each.value, each.loss_weight) for each in message.outputs)
    if "paths" in values:
        values["paths"] = tuple(message.paths)
    if message.DESCRIPTOR.name == "Tested" and not message.HasField("loss"):
        values["loss"] = None
    return getattr(events, message.DESCRIPTOR.name)(**values)
