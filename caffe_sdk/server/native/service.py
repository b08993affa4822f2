"""The calls of ``caffe_sdk.v1``: each turns a request into a call on the session and its result into a reply.

A method's name is that of the call in the .proto, in lower case with underscores; `caffe_sdk.server.dispatch` finds it
by that name.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from caffe_sdk import __version__
from caffe_sdk.app import tasks
from caffe_sdk.app.blobs import BlobRef, Values
from caffe_sdk.app.descriptions import NetDescription, Shape
from caffe_sdk.app.models import Weights
from caffe_sdk.app.session import Training
from caffe_sdk.errors import ArgumentError
from caffe_sdk.io import decode_image
from caffe_sdk.memory import Array
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put, put_all, to_array
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call
from caffe_sdk.server.native.records import from_message, to_message
from caffe_sdk.solver.events import Event

PHASES = {pb.PHASE_UNSPECIFIED: "test", pb.PHASE_TRAIN: "train", pb.PHASE_TEST: "test"}
PARTS = {pb.PART_UNSPECIFIED: "data", pb.PART_DATA: "data", pb.PART_DIFF: "diff"}


class Service:
    """All calls of all services, on one session. Raises CaffeErrors; what carries them to the client is not here."""

    def __init__(self, backend: Backend) -> None:
        self.session = backend.session

    # -- server --------------------------------------------------------------------------------------------------------

    def get_information(self, request: Any, call: Call) -> Any:
        """Server.GetInformation."""
        held = self.session.objects()
        facts = [pb.Fact(name=fact.name, value=fact.value) for fact in tasks.device_query()]
        return pb.Information(version=__version__, facts=facts, nets=held.nets, solvers=held.solvers)

    # -- nets ----------------------------------------------------------------------------------------------------------

    def create_net(self, request: Any, call: Call) -> Any:
        """Nets.CreateNet: build, and describe what was built."""
        phase = _known(PHASES, request.phase, "phase")
        weights = _weights(request.weights) if request.HasField("weights") else None
        record = from_message(request.preprocessing) if request.HasField("preprocessing") else None
        stages = list(request.stages)
        net = self.session.create_net(*_model(request.model), phase, weights, request.level, stages, record)
        return self._describe(net)

    def describe_net(self, request: Any, call: Call) -> Any:
        """Nets.DescribeNet."""
        return self._describe(request.net)

    def get_blobs(self, request: Any, call: Call) -> Any:
        """Nets.GetBlobs."""
        part = _known(PARTS, request.part, "part")
        reply = pb.Blobs()
        for array in self.session.get_blobs(request.net, list(map(_blob, request.blobs)), part):
            put(reply.tensors.add(), array)
        return reply

    def set_blobs(self, request: Any, call: Call) -> Any:
        """Nets.SetBlobs: all or none."""
        self.session.set_blobs(request.net, [_values(blob) for blob in request.blobs])
        return pb.SetBlobsReply()

    def reshape_blob(self, request: Any, call: Call) -> Any:
        """Nets.ReshapeBlob."""
        self.session.reshape_blob(request.net, _blob(request.blob), tuple(request.shape.dims))
        return pb.ReshapeBlobReply()

    def reshape_net(self, request: Any, call: Call) -> Any:
        """Nets.ReshapeNet: describe the net in its new shapes."""
        self.session.reshape_net(request.net)
        return self._describe(request.net)

    def forward(self, request: Any, call: Call) -> Any:
        """Nets.Forward."""
        reply, inputs = pb.ForwardReply(), _arrays(request.inputs)
        put_all(reply.outputs, self.session.forward(request.net, inputs, *_layers(request), list(request.blobs)))
        return reply

    def predict(self, request: Any, call: Call) -> Any:
        """Nets.Predict."""
        reply, images = pb.ForwardReply(), [decode_image(data, "image") for data in request.images]
        put_all(reply.outputs, self.session.predict(request.net, images, list(request.blobs)))
        return reply

    def backward(self, request: Any, call: Call) -> Any:
        """Nets.Backward."""
        reply, diffs = pb.BackwardReply(), _arrays(request.diffs)
        put_all(reply.diffs, self.session.backward(request.net, diffs, *_layers(request), list(request.blobs)))
        return reply

    def copy_from(self, request: Any, call: Call) -> Any:
        """Nets.CopyFrom."""
        return pb.CopyFromReply(layers=self.session.copy_from(request.net, _weights(request.weights)))

    def get_weights(self, request: Any, call: Call) -> Any:
        """Nets.GetWeights."""
        return pb.GetWeightsReply(data=self.session.net_bytes(request.net))

    def save_net(self, request: Any, call: Call) -> Any:
        """Nets.SaveNet."""
        self.session.save_net(request.net, request.path)
        return pb.SaveNetReply()

    def release_net(self, request: Any, call: Call) -> Any:
        """Nets.ReleaseNet."""
        self.session.release(request.net)
        return pb.ReleaseNetReply()

    # -- solvers -------------------------------------------------------------------------------------------------------

    def create_solver(self, request: Any, call: Call) -> Any:
        """Solvers.CreateSolver: build, and describe what was built."""
        return self._solver(self.session.create_solver(*_model(request.model)))

    def describe_solver(self, request: Any, call: Call) -> Any:
        """Solvers.DescribeSolver."""
        return self._solver(request.solver)

    def step(self, request: Any, call: Call) -> Iterator[Any]:
        """Solvers.Step, a stream."""
        return _events(self.session.step(request.solver, request.iterations))

    def solve(self, request: Any, call: Call) -> Iterator[Any]:
        """Solvers.Solve, a stream."""
        return _events(self.session.solve(request.solver))

    def stop(self, request: Any, call: Call) -> Any:
        """Solvers.Stop."""
        self.session.stop(request.solver)
        return pb.StopReply()

    def restore(self, request: Any, call: Call) -> Any:
        """Solvers.Restore: describe the solver where it stands then."""
        self.session.restore(request.solver, request.path)
        return self._solver(request.solver)

    def snapshot(self, request: Any, call: Call) -> Any:
        """Solvers.Snapshot."""
        return pb.SnapshotReply(solverstate=self.session.snapshot(request.solver))

    def release_solver(self, request: Any, call: Call) -> Any:
        """Solvers.ReleaseSolver."""
        self.session.release(request.solver)
        return pb.ReleaseSolverReply()

    # -- descriptions --------------------------------------------------------------------------------------------------

    def _describe(self, net: int) -> Any:
        message = _net_message(net, self.session.describe_net(net))
        record = self.session.preprocessing(net)
        if record is not None:
            message.preprocessing.CopyFrom(to_message(record))
        return message

    def _solver(self, solver: int) -> Any:
        nets, state = self.session.solver_nets(solver), self.session.solver_state(solver)
        return pb.Solver(solver=solver, **dataclasses.asdict(nets), **dataclasses.asdict(state))


# -- from requests -----------------------------------------------------------------------------------------------------


def _known(table: Mapping[int, str], value: int, name: str) -> str:
    if value not in table:
        raise ArgumentError(name, f"{value} is no value of it", f"use one of {', '.join(map(str, table))}")
    return table[value]


def _model(model: Any) -> tuple[str | None, str | None]:
    """Path and text, of which a model has one."""
    source = model.WhichOneof("source")
    return (model.path if source == "path" else None, model.text if source == "text" else None)


def _weights(weights: Any) -> Weights:
    source = weights.WhichOneof("source")
    if source is None:
        raise ArgumentError("weights", "neither data nor path given", "give the bytes of a caffemodel, or its path")
    return weights.data if source == "data" else weights.path  # type: ignore[no-any-return]


def _blob(reference: Any) -> BlobRef:
    if reference.WhichOneof("blob") == "parameter":
        return reference.parameter.layer, reference.parameter.index
    return str(reference.name)


def _place(reference: BlobRef) -> str:
    return f"blob '{reference}'" if isinstance(reference, str) else f"blob {reference[1]} of layer '{reference[0]}'"


def _values(blob: Any) -> Values:
    reference = _blob(blob.blob)
    return Values(reference, _known(PARTS, blob.part, "part"), to_array(blob.values, _place(reference)))


def _arrays(tensors: Iterable[Any]) -> dict[str, Array]:
    """Arrays by blob. ArgumentError for a blob that is given twice."""
    arrays: dict[str, Array] = {}
    for named in tensors:
        if named.name in arrays:
            raise ArgumentError(f"blob '{named.name}'", "is given twice", "give it once")
        arrays[named.name] = to_array(named.tensor, f"blob '{named.name}'")
    return arrays


def _layers(request: Any) -> tuple[str | None, str | None]:
    """First and last layer to run, as far as a request names them."""
    start = request.start if request.HasField("start") else None
    end = request.end if request.HasField("end") else None
    return start, end


# -- to replies --------------------------------------------------------------------------------------------------------


def _shape(shape: Shape) -> Any:
    return pb.Shape(dims=shape)


def _net_message(net: int, description: NetDescription) -> Any:
    layers = [
        pb.Layer(
            name=layer.name, type=layer.type, bottoms=layer.bottoms, tops=layer.tops, params=map(_shape, layer.params)
        )
        for layer in description.layers
    ]
    return pb.Net(
        net=net,
        name=description.name,
        phase=pb.PHASE_TRAIN if description.phase == "train" else pb.PHASE_TEST,
        layers=layers,
        blobs=[pb.NamedShape(name=name, shape=_shape(shape)) for name, shape in description.blobs],
        inputs=description.inputs,
        outputs=description.outputs,
    )


def _events(training: Training) -> Iterator[Any]:
    """Events as messages. When the client goes away gRPC drops this generator, and closing it ends the training."""
    with closing(training):
        for event in training:
            yield event_message(event)


def event_message(event: Event) -> Any:
    """An event as a message: the messages have the names and fields of the classes."""
    name = type(event).__name__
    field = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return pb.Event(**{field: getattr(pb, name)(**dataclasses.asdict(event))})
