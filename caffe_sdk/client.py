"""Client of a caffe_sdk server: nets and solvers that live there, with the verbs of pycaffe.

    from caffe_sdk import client
    with client.connect("127.0.0.1:50051") as server:
        net = server.net(Path("deploy.prototxt"), "test", weights="lenet.caffemodel")
        probabilities = net.forward(data=images)["prob"]

What differs from a net in one's own process: arrays are copies. ``net.blobs["data"].data`` fetches one, read-only so
that nobody writes into it in vain; assign a whole array to send it.

Needs gRPC, protobuf and NumPy only, no engine. Raises the errors that were raised on the server, with their words, and
BridgeError when the server cannot be reached or does not answer.
"""

from __future__ import annotations

import logging
import math
import os
import weakref
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy.typing as npt
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.errors import ArgumentError, BridgeError, CaffeError, CancelledError, InternalError
from caffe_sdk.rpc import faults, pb
from caffe_sdk.rpc.tensors import Array, put, put_all, to_array
from caffe_sdk.rpc.transport import MAX_MESSAGE, channel_options
from caffe_sdk.schema.files import read_bytes, read_text, write_bytes

log = logging.getLogger(__name__)

PHASES = {"train": pb.PHASE_TRAIN, "test": pb.PHASE_TEST, 0: pb.PHASE_TRAIN, 1: pb.PHASE_TEST}
PARTS = {"data": pb.PART_DATA, "diff": pb.PART_DIFF}


@dataclass(frozen=True)
class ServerFile:
    """A file in the folder that the server keeps for its clients."""

    path: str


Model = str | os.PathLike[str] | ServerFile
"""A prototxt: its text, the path of a file here (a `pathlib.Path`), or a file of the server's."""

Weights = bytes | str | os.PathLike[str] | ServerFile
"""A caffemodel: its bytes, the path of a file here, or a file of the server's."""


def connect(address: str, timeout: float = 10.0, max_message: int = MAX_MESSAGE) -> Client:
    """A client of the server at ``host:port`` or ``unix:path``.

    ``timeout`` is how many seconds the server may take to answer the first time, ``max_message`` how many bytes a
    message may have. Raises BridgeError when nobody answers.
    """
    client = Client(grpc.insecure_channel(address, options=channel_options(max_message)), address)
    try:
        client.call("GetInformation", pb.GetInformationRequest(), timeout=timeout, wait_for_ready=True)
    except CaffeError:
        client.close()
        raise
    return client


class Client:
    """A connection. Nets and solvers made through it live on the server until they are released."""

    def __init__(self, channel: grpc.Channel, address: str) -> None:
        self._channel, self.address = channel, address
        self._releasing: set[Any] = set()
        self._stubs = {
            call.name: _stub(channel, service, call)
            for service in (pb.Server, pb.Nets, pb.Solvers)
            for call in service.methods
        }

    def net(
        self,
        model: Model,
        phase: str | int = "test",
        weights: Weights | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
    ) -> RemoteNet:
        """A new net, in phase "train" or "test" (or TRAIN, TEST)."""
        if phase not in PHASES:
            raise ArgumentError("phase", f"{phase!r} is no phase", "use 'train' or 'test'")
        request = pb.CreateNetRequest(model=_model(model), phase=PHASES[phase], level=level, stages=stages)
        if weights is not None:
            _put_weights(request.weights, weights)
        _put_record(request, weights, model if isinstance(model, os.PathLike) else None)
        return RemoteNet(self, self.call("CreateNet", request))

    def solver(self, model: Model) -> RemoteSolver:
        """A new solver."""
        return RemoteSolver(self, self.call("CreateSolver", pb.CreateSolverRequest(model=_model(model))))

    def information(self) -> Any:
        """The server's ``Information`` message: version, what computes there, and how much is held."""
        return self.call("GetInformation", pb.GetInformationRequest())

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, name: str, request: Any, **how: Any) -> Any:
        """Make a call of ``proto/caffe_sdk/v1`` by its name, ``how`` being what gRPC takes; gives the reply."""
        try:
            return self._stubs[name](request, **how)
        except grpc.RpcError as error:
            raise _error(error, self.address) from None
        except ValueError as error:  # the connection was closed
            raise BridgeError(self.address, str(error), "connect again") from None

    def stream(self, name: str, request: Any) -> Generator[Any, None, None]:
        """Make a call that answers with a stream, at once; closing the iterator cancels the call."""
        try:
            call = self._stubs[name](request)
        except ValueError as error:
            raise BridgeError(self.address, str(error), "connect again") from None
        return self._replies(call)

    def _replies(self, call: Any) -> Generator[Any, None, None]:
        try:
            yield from call
        except grpc.RpcError as error:
            raise _error(error, self.address) from None
        finally:
            call.cancel()

    def release(self, name: str, request: Any) -> None:
        """Let an object on the server go, without waiting for it."""
        with suppress(ValueError):  # the connection was closed already
            answer = self._stubs[name].future(request)
            self._releasing.add(answer)  # gRPC cancels a call that nobody holds
            answer.add_done_callback(self._releasing.discard)


class RemoteNet:
    """A net on the server, with the members of `caffe_sdk.Net`. It is released when it is closed or forgotten."""

    def __init__(self, client: Client, description: Any, owned: bool = True) -> None:
        self._client, self._net, self._description = client, description.net, description
        self.name: str = description.name
        self.phase: int = 0 if description.phase == pb.PHASE_TRAIN else 1
        self.inputs: list[str] = list(description.inputs)
        self.outputs: list[str] = list(description.outputs)
        release = pb.ReleaseNetRequest(net=self._net)
        self._finalizer = weakref.finalize(self, client.release, "ReleaseNet", release) if owned else None
        if self._finalizer is not None:
            self._finalizer.atexit = False

    @property
    def handle(self) -> int:
        """What the server calls the net."""
        return int(self._net)

    @property
    def blobs(self) -> OrderedDict[str, RemoteBlob]:
        """Blobs by name, in the order they are made."""
        names = [blob.name for blob in self._description.blobs]
        return OrderedDict((name, RemoteBlob(self, pb.BlobReference(name=name))) for name in names)

    @property
    def layers(self) -> list[RemoteLayer]:
        """Layers in order, those that were inserted included."""
        return [RemoteLayer(self, layer) for layer in self._description.layers]

    @property
    def layer_dict(self) -> OrderedDict[str, RemoteLayer]:
        """Layers by name."""
        return OrderedDict((layer.name, layer) for layer in self.layers)

    @property
    def params(self) -> OrderedDict[str, list[RemoteBlob]]:
        """Learnable blobs of each layer that has any, by the layer's name."""
        return OrderedDict((layer.name, layer.blobs) for layer in self.layers if layer.blobs)

    def forward(
        self, blobs: Iterable[str] = (), start: str | None = None, end: str | None = None, **inputs: npt.ArrayLike
    ) -> dict[str, Array]:
        """Set the input blobs, run layers ``start`` to ``end``, give the outputs and the ``blobs`` asked for."""
        request = pb.ForwardRequest(net=self._net, start=start, end=end, blobs=blobs)
        put_all(request.inputs, inputs)
        return _arrays(self._client.call("Forward", request).outputs)

    def predict(self, images: Iterable[bytes | str | os.PathLike[str]], blobs: Iterable[str] = ()) -> dict[str, Array]:
        """The outputs, and the ``blobs`` asked for, of image files (paths here, or bytes), by the net's record.

        The log warns where the net has no record of preprocessing: then images go in as they are, RGB from 0 to 1.
        """
        if not self._description.HasField("preprocessing"):
            log.warning("%s: there is no record of preprocessing: images go in as they are, RGB from 0 to 1", self.name)
        files = [image if isinstance(image, bytes) else read_bytes(image) for image in images]
        request = pb.PredictRequest(net=self._net, images=files, blobs=blobs)
        return _arrays(self._client.call("Predict", request).outputs)

    def backward(
        self, diffs: Iterable[str] = (), start: str | None = None, end: str | None = None, **tops: npt.ArrayLike
    ) -> dict[str, Array]:
        """Set the outputs' gradients, run layers ``start`` back to ``end``, give the inputs' gradients and those of the
        blobs in ``diffs``.
        """
        request = pb.BackwardRequest(net=self._net, start=start, end=end, blobs=diffs)
        put_all(request.diffs, tops)
        return _arrays(self._client.call("Backward", request).diffs)

    def reshape(self) -> None:
        """Let every layer follow the shapes of the input blobs."""
        self._client.call("ReshapeNet", pb.ReshapeNetRequest(net=self._net))

    def copy_from(self, weights: Weights) -> list[str]:
        """Load a caffemodel into layers of the same names; gives those names."""
        request = pb.CopyFromRequest(net=self._net)
        _put_weights(request.weights, weights)
        return list(self._client.call("CopyFrom", request).layers)

    def to_bytes(self) -> bytes:
        """The net's weights as the bytes of a caffemodel."""
        return bytes(self._client.call("GetWeights", pb.GetWeightsRequest(net=self._net)).data)

    def save(self, path: str | os.PathLike[str] | ServerFile) -> None:
        """Write the net's weights to a caffemodel here, or in the server's folder."""
        if isinstance(path, ServerFile):
            self._client.call("SaveNet", pb.SaveNetRequest(net=self._net, path=path.path))
        else:
            write_bytes(path, self.to_bytes())

    def close(self) -> None:
        """Let the net go. A solver's net goes with the solver."""
        if self._finalizer is not None:
            self._finalizer()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The blobs' shapes by name, as they are now."""
        description = self._client.call("DescribeNet", pb.DescribeNetRequest(net=self._net))
        return {blob.name: tuple(blob.shape.dims) for blob in description.blobs}

    def get(self, reference: Any, part: str) -> Array:
        """A copy of a blob's "data" or "diff"."""
        request = pb.GetBlobsRequest(net=self._net, blobs=[reference], part=PARTS[part])
        return to_array(self._client.call("GetBlobs", request).tensors[0])

    def set(self, reference: Any, part: str, values: npt.ArrayLike) -> None:
        """Overwrite a blob's "data" or "diff"."""
        request = pb.SetBlobsRequest(net=self._net)
        put(request.blobs.add(blob=reference, part=PARTS[part]).values, values)
        self._client.call("SetBlobs", request)

    def reshape_blob(self, reference: Any, shape: Sequence[int]) -> None:
        """Give a blob another shape."""
        request = pb.ReshapeBlobRequest(net=self._net, blob=reference, shape=pb.Shape(dims=shape))
        self._client.call("ReshapeBlob", request)

    def __repr__(self) -> str:
        return f"<RemoteNet {self.name!r} at {self._client.address}: {len(self.layers)} layers>"


class RemoteLayer:
    """A layer of a net on the server."""

    def __init__(self, net: RemoteNet, description: Any) -> None:
        self.name: str = description.name
        self.type: str = description.type
        self.bottoms: list[str] = list(description.bottoms)
        self.tops: list[str] = list(description.tops)
        self.blobs = [
            RemoteBlob(net, pb.BlobReference(parameter=pb.Parameter(layer=self.name, index=index)))
            for index in range(len(description.params))
        ]


class RemoteBlob:
    """A blob of a net on the server. Reading fetches a read-only array, assigning sends one."""

    def __init__(self, net: RemoteNet, reference: Any) -> None:
        self._net, self._reference = net, reference

    @property
    def data(self) -> Array:
        """The values."""
        return self._net.get(self._reference, "data")

    @data.setter
    def data(self, values: npt.ArrayLike) -> None:
        self._net.set(self._reference, "data", values)

    @property
    def diff(self) -> Array:
        """The gradients."""
        return self._net.get(self._reference, "diff")

    @diff.setter
    def diff(self, values: npt.ArrayLike) -> None:
        self._net.set(self._reference, "diff", values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape as it is now."""
        if self._reference.WhichOneof("blob") == "name":
            return self._net.shapes()[self._reference.name]
        return self.data.shape

    @property
    def count(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def reshape(self, *shape: int) -> None:
        """Take another shape; the net's `reshape` or `forward` carries it through the net."""
        self._net.reshape_blob(self._reference, shape)


class RemoteSolver:
    """A solver on the server, with the members of `caffe_sdk.Solver`. It is released when closed or forgotten."""

    def __init__(self, client: Client, description: Any) -> None:
        self._client, self._solver = client, description.solver
        self.net = self._owned_net(description.net)
        self.test_nets = [self._owned_net(net) for net in description.test_nets]
        release = pb.ReleaseSolverRequest(solver=self._solver)
        self._finalizer = weakref.finalize(self, client.release, "ReleaseSolver", release)
        self._finalizer.atexit = False

    def _owned_net(self, net: int) -> RemoteNet:
        description = self._client.call("DescribeNet", pb.DescribeNetRequest(net=net))
        return RemoteNet(self._client, description, owned=False)

    @property
    def _state(self) -> Any:
        return self._client.call("DescribeSolver", pb.DescribeSolverRequest(solver=self._solver))

    @property
    def iter(self) -> int:
        """Iterations made."""
        return int(self._state.iter)

    @property
    def max_iter(self) -> int:
        """Iterations that `solve` makes in all."""
        return int(self._state.max_iter)

    @property
    def training(self) -> bool:
        """Whether anybody is training it at the moment."""
        return bool(self._state.training)

    def step(self, iterations: int) -> None:
        """Train for so many iterations more."""
        for _ in self.events(iterations):
            pass

    def solve(self) -> None:
        """Train to ``max_iter``."""
        for _ in self.events():
            pass

    def events(self, iterations: int | None = None) -> Iterator[Any]:
        """Train as `step` or, without a number, as `solve`, giving what happens: messages Started, Testing, Tested,
        Iteration, Snapshot, Evaluated, Finished of the .proto.

        Training begins at once and does not run ahead of the reader for long. Closing the iterator ends it after the
        iteration it is at.
        """
        if iterations is None:
            events = self._client.stream("Solve", pb.SolveRequest(solver=self._solver))
        else:
            events = self._client.stream("Step", pb.StepRequest(solver=self._solver, iterations=iterations))
        return _unwrapped(events)

    def stop(self) -> None:
        """Ask for the end of a training that somebody else is reading; its events end with Finished."""
        self._client.call("Stop", pb.StopRequest(solver=self._solver))

    def snapshot(self) -> str:
        """Write a snapshot on the server, where ``snapshot_prefix`` says; gives the solverstate's path there."""
        return str(self._client.call("Snapshot", pb.SnapshotRequest(solver=self._solver)).solverstate)

    def restore(self, path: str) -> None:
        """Go on from a solverstate in the server's folder."""
        self._client.call("Restore", pb.RestoreRequest(solver=self._solver, path=path))

    def close(self) -> None:
        """Let the solver and its nets go."""
        self._finalizer()


def _unwrapped(events: Generator[Any, None, None]) -> Iterator[Any]:
    with closing(events):
        for event in events:
            yield getattr(event, event.WhichOneof("event"))


def _stub(channel: grpc.Channel, service: Any, call: Any) -> Any:
    make = channel.unary_stream if call.server_streaming else channel.unary_unary
    return make(
        f"/{service.full_name}/{call.name}",
        request_serializer=GetMessageClass(call.input_type).SerializeToString,
        response_deserializer=GetMessageClass(call.output_type).FromString,
    )


def _model(model: Model) -> Any:
    if isinstance(model, ServerFile):
        return pb.Model(path=model.path)
    return pb.Model(text=model if isinstance(model, str) else read_text(model))


def _put_record(request: Any, *files: Model | Weights | None) -> None:
    """Send along the record of preprocessing that lies beside a file that is sent."""
    from caffe_sdk import preprocessing  # which reads images: not for those who send none

    for file in files:
        if not isinstance(file, (str, os.PathLike)) or not os.path.exists(preprocessing.record_path(file)):
            continue
        record = preprocessing.read(preprocessing.record_path(file))
        sent = request.preprocessing
        sent.resize.extend(record.resize or ())
        sent.crop.extend(record.crop or ())
        sent.channels, sent.scale = record.channels, record.scale
        if record.mean is not None:
            put(sent.mean, record.mean)
        return


def _put_weights(message: Any, weights: Weights) -> None:
    if isinstance(weights, ServerFile):
        message.path = weights.path
    else:
        message.data = weights if isinstance(weights, bytes) else read_bytes(Path(weights))


def _arrays(tensors: Iterable[Any]) -> dict[str, Array]:
    return {named.name: to_array(named.tensor) for named in tensors}


def _error(error: Any, address: str) -> CaffeError:
    """The error of a failed call: what was raised on the server, or what happened on the way."""
    for key, value in error.trailing_metadata() or ():
        if key == faults.METADATA_KEY:
            try:
                return faults.from_message(pb.Error.FromString(value))
            except DecodeError:
                break
    code, words = error.code(), error.details() or "no words"
    if code == grpc.StatusCode.CANCELLED:
        return CancelledError(address, f"the call was cancelled: {words}")
    if code == grpc.StatusCode.UNAVAILABLE:
        return BridgeError(address, f"the server is not there: {words}", "start it again, and connect again")
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return BridgeError(address, "no server answered in time", f"start one: caffe serve --address {address}")
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return BridgeError(address, f"the server does not know this call: {words}", "use one version on both sides")
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return BridgeError(address, f"too much for one message: {words}", "raise max_message on both sides")
    return InternalError(address, f"{code.name}: {words}", "see the server's log")
