"""The calls a client can make, described once for both ways of making them: waiting, and asyncio.

A function here makes an `Ask`: which call, with what request, and how its reply is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from caffe_sdk.client.files import Image, Model, Weights, image_bytes, model_message, put_record, put_weights
from caffe_sdk.errors import ArgumentError
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import DTYPES, TYPES, Array, as_known, put, put_all, to_array

Reply = TypeVar("Reply")

PHASES = {"train": pb.PHASE_TRAIN, "test": pb.PHASE_TEST, 0: pb.PHASE_TRAIN, 1: pb.PHASE_TEST}
PARTS = {"data": pb.PART_DATA, "diff": pb.PART_DIFF}
CHUNK = 2**21  # bytes that are sent in one message of several


@dataclass(frozen=True)
class Ask(Generic[Reply]):
    """A call of the .proto by its name. ``request`` is a message, or an iterator of them; ``read`` gets the reply, or
    the list of replies.
    """

    name: str
    request: Any
    read: Callable[[Any], Reply]


def information() -> Ask[Any]:
    """The server's ``Information`` message."""
    return Ask("GetInformation", pb.GetInformationRequest(), _itself)


# -- nets --------------------------------------------------------------------------------------------------------------


def create_net(model: Model, phase: str | int, weights: Weights | None, level: int, stages: Sequence[str]) -> Ask[Any]:
    """A net; the reply is its description."""
    if phase not in PHASES:
        raise ArgumentError("phase", f"{phase!r} is no phase", "use 'train' or 'test'")
    request = pb.CreateNetRequest(model=model_message(model), phase=PHASES[phase], level=level, stages=stages)
    if weights is not None:
        put_weights(request.weights, weights)
    put_record(request, weights, model if isinstance(model, os.PathLike) else None)
    return Ask("CreateNet", request, _itself)


def describe_net(net: int) -> Ask[Any]:
    """A net's description."""
    return Ask("DescribeNet", pb.DescribeNetRequest(net=net), _itself)


def shapes(net: int) -> Ask[dict[str, tuple[int, ...]]]:
    """A net's blobs' shapes by name."""
    return Ask(
        "DescribeNet",
        pb.DescribeNetRequest(net=net),
        lambda reply: {blob.name: tuple(blob.shape.dims) for blob in reply.blobs},
    )


def forward(
    net: int,
    blobs: Iterable[str],
    start: str | None,
    end: str | None,
    inputs: Mapping[str, npt.ArrayLike],
    omit: bool = False,
) -> Ask[dict[str, Array]]:
    """Outputs for inputs; ``omit`` leaves out outputs and blobs, which the caller fetches one by one."""
    request = pb.ForwardRequest(net=net, start=start, end=end, blobs=() if omit else blobs, omit_outputs=omit)
    put_all(request.inputs, inputs)
    return Ask("Forward", request, lambda reply: _arrays(reply.outputs))


def predict(net: int, images: Iterable[Image], blobs: Iterable[str]) -> Ask[dict[str, Array]]:
    """Outputs for images."""
    request = pb.PredictRequest(net=net, images=image_bytes(images), blobs=blobs)
    return Ask("Predict", request, lambda reply: _arrays(reply.outputs))


def backward(
    net: int, diffs: Iterable[str], start: str | None, end: str | None, tops: Mapping[str, npt.ArrayLike]
) -> Ask[dict[str, Array]]:
    """Inputs' gradients for outputs' gradients."""
    request = pb.BackwardRequest(net=net, start=start, end=end, blobs=diffs)
    put_all(request.diffs, tops)
    return Ask("Backward", request, lambda reply: _arrays(reply.diffs))


def reshape_net(net: int) -> Ask[Any]:
    """Let layers follow the shapes of the inputs; the reply is the net's description."""
    return Ask("ReshapeNet", pb.ReshapeNetRequest(net=net), _itself)


def reshape_blob(net: int, blob: Any, shape: Sequence[int]) -> Ask[None]:
    """Give a blob another shape."""
    return Ask("ReshapeBlob", pb.ReshapeBlobRequest(net=net, blob=blob, shape=pb.Shape(dims=shape)), _nothing)


def get_blob(net: int, blob: Any, part: str) -> Ask[Array]:
    """A blob's "data" or "diff"."""
    request = pb.GetBlobsRequest(net=net, blobs=[blob], part=PARTS[part])
    return Ask("GetBlobs", request, lambda reply: to_array(reply.tensors[0]))


def download_blob(net: int, blob: Any, part: str) -> Ask[Array]:
    """`get_blob`, in chunks."""
    return Ask("DownloadBlob", pb.DownloadBlobRequest(net=net, blob=blob, part=PARTS[part]), _joined)


def set_blob(net: int, blob: Any, part: str, values: npt.ArrayLike) -> Ask[None]:
    """Overwrite a blob's "data" or "diff"."""
    request = pb.SetBlobsRequest(net=net)
    put(request.blobs.add(blob=blob, part=PARTS[part]).values, values)
    return Ask("SetBlobs", request, _nothing)


def upload_blob(net: int, blob: Any, part: str, values: npt.ArrayLike, most: int) -> Ask[None]:
    """`set_blob`, in chunks of at most so many bytes."""
    array = np.ascontiguousarray(as_known(values))
    header = pb.BlobHeader(net=net, blob=blob, part=PARTS[part], shape=array.shape, type=TYPES[array.dtype])
    return Ask("UploadBlob", _chunks(header, array, min(CHUNK, most)), _nothing)


def _chunks(header: Any, array: Array, chunk: int) -> Iterator[Any]:
    yield pb.UploadBlobRequest(header=header)
    data = array.reshape(-1).view(np.uint8)
    for start in range(0, len(data), chunk):
        yield pb.UploadBlobRequest(data=data[start : start + chunk].tobytes())


def copy_from(net: int, weights: Weights) -> Ask[list[str]]:
    """Load weights; the reply names the layers they went into."""
    request = pb.CopyFromRequest(net=net)
    put_weights(request.weights, weights)
    return Ask("CopyFrom", request, lambda reply: list(reply.layers))


def upload_weights(net: int, weights: bytes, most: int) -> Ask[list[str]]:
    """`copy_from`, in chunks of at most so many bytes."""
    return Ask("UploadWeights", _weights_chunks(net, weights, min(CHUNK, most)), lambda reply: list(reply.layers))


def _weights_chunks(net: int, weights: bytes, chunk: int) -> Iterator[Any]:
    yield pb.UploadWeightsRequest(net=net)
    view = memoryview(weights)
    for start in range(0, len(weights), chunk):
        yield pb.UploadWeightsRequest(data=bytes(view[start : start + chunk]))


def download_weights(net: int) -> Ask[bytes]:
    """The bytes of a caffemodel."""
    return Ask("DownloadWeights", pb.GetWeightsRequest(net=net), lambda parts: b"".join(part.data for part in parts))


def save_net(net: int, path: str) -> Ask[None]:
    """Write a caffemodel in the server's folder."""
    return Ask("SaveNet", pb.SaveNetRequest(net=net, path=path), _nothing)


def share_weights(net: int, source: int) -> Ask[None]:
    """Let a net's parameters be those of another one."""
    return Ask("ShareWeights", pb.ShareWeightsRequest(net=net, source=source), _nothing)


def clear_param_diffs(net: int) -> Ask[None]:
    """Set the parameters' gradients to zero."""
    return Ask("ClearParamDiffs", pb.ClearParamDiffsRequest(net=net), _nothing)


def release_net(net: int) -> Ask[None]:
    """Let a net go."""
    return Ask("ReleaseNet", pb.ReleaseNetRequest(net=net), _nothing)


# -- solvers -----------------------------------------------------------------------------------------------------------


def create_solver(model: Model) -> Ask[Any]:
    """A solver; the reply describes it."""
    return Ask("CreateSolver", pb.CreateSolverRequest(model=model_message(model)), _itself)


def describe_solver(solver: int) -> Ask[Any]:
    """Where a solver stands."""
    return Ask("DescribeSolver", pb.DescribeSolverRequest(solver=solver), _itself)


def train(solver: int, iterations: int | None) -> Ask[Any]:
    """Train for so many iterations, or to the end; each reply is an event."""
    if iterations is None:
        return Ask("Solve", pb.SolveRequest(solver=solver), _event)
    return Ask("Step", pb.StepRequest(solver=solver, iterations=iterations), _event)


def stop(solver: int) -> Ask[None]:
    """Ask a training to end."""
    return Ask("Stop", pb.StopRequest(solver=solver), _nothing)


def snapshot(solver: int) -> Ask[str]:
    """Write a snapshot; the reply is the solverstate's path."""
    return Ask("Snapshot", pb.SnapshotRequest(solver=solver), lambda reply: str(reply.solverstate))


def restore(solver: int, path: str) -> Ask[Any]:
    """Go on from a solverstate of the server's."""
    return Ask("Restore", pb.RestoreRequest(solver=solver, path=path), _itself)


def resume(solver: int) -> Ask[str]:
    """Go on from the latest snapshot; the reply is the solverstate's path, empty where there is none."""
    return Ask("Resume", pb.ResumeRequest(solver=solver), lambda reply: str(reply.solverstate))


def release_solver(solver: int) -> Ask[None]:
    """Let a solver go."""
    return Ask("ReleaseSolver", pb.ReleaseSolverRequest(solver=solver), _nothing)


# -- models ------------------------------------------------------------------------------------------------------------


def list_models() -> Ask[list[Any]]:
    """``ModelStatus`` messages."""
    return Ask("ListModels", pb.ListModelsRequest(), lambda reply: list(reply.models))


def describe_model(model: str, version: str) -> Ask[Any]:
    """A ``ModelDescription``."""
    return Ask("DescribeModel", pb.DescribeModelRequest(model=model, version=version), _itself)


def load_model(model: str) -> Ask[list[Any]]:
    """Load a model; the reply are its versions."""
    return Ask("LoadModel", pb.LoadModelRequest(model=model), lambda reply: list(reply.models))


def unload_model(model: str) -> Ask[None]:
    """Take a model out of service."""
    return Ask("UnloadModel", pb.UnloadModelRequest(model=model), _nothing)


def run_model(
    model: str, version: str, images: Iterable[Image], outputs: Iterable[str], inputs: Mapping[str, npt.ArrayLike]
) -> Ask[dict[str, Array]]:
    """Outputs for numbers or images."""
    request = pb.RunModelRequest(model=model, version=version, images=image_bytes(images), outputs=outputs)
    put_all(request.inputs, inputs)
    return Ask("RunModel", request, lambda reply: _arrays(reply.outputs))


def classify(model: str, version: str, images: Iterable[Image], top: int) -> Ask[list[list[tuple[str, float]]]]:
    """For each image labels (numbers where there are none) and scores."""
    request = pb.ClassifyRequest(model=model, version=version, images=image_bytes(images), top=top)
    return Ask(
        "Classify",
        request,
        lambda reply: [[(c.label or str(c.index), c.score) for c in image.classes] for image in reply.images],
    )


def extract_features(
    model: str, version: str, blobs: Sequence[str], batches: Iterable[Sequence[Image]]
) -> Ask[dict[str, Array]]:
    """Blobs for each batch of images, as they come."""
    return Ask("ExtractFeatures", _batches(model, version, blobs, batches), lambda reply: _arrays(reply.blobs))


def _batches(model: str, version: str, blobs: Sequence[str], batches: Iterable[Sequence[Image]]) -> Iterator[Any]:
    said = {"model": model, "version": version, "blobs": blobs}
    for images in batches:
        yield pb.ExtractFeaturesRequest(**said, images=image_bytes(images))
        said = {}


# -- replies -----------------------------------------------------------------------------------------------------------


def _itself(reply: Any) -> Any:
    return reply


def _nothing(reply: Any) -> None:
    return None


def _event(reply: Any) -> Any:
    return getattr(reply, reply.WhichOneof("event"))


def _arrays(tensors: Iterable[Any]) -> dict[str, Array]:
    return {named.name: to_array(named.tensor) for named in tensors}


def _joined(chunks: Iterable[Any]) -> Array:
    """The array of BlobChunks."""
    parts = list(chunks)
    data = b"".join(part.data for part in parts)
    return np.frombuffer(data, DTYPES[parts[0].type]).reshape(tuple(parts[0].shape))
