"""From requests to what the session takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from caffe_sdk.app.blobs import BlobRef, Values
from caffe_sdk.app.models import Weights
from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import to_array
from caffe_sdk.server.payloads import Cut

PHASES = {pb.PHASE_UNSPECIFIED: "test", pb.PHASE_TRAIN: "train", pb.PHASE_TEST: "test"}
PARTS = {pb.PART_UNSPECIFIED: "data", pb.PART_DATA: "data", pb.PART_DIFF: "diff"}


def known(table: Mapping[int, str], value: int, name: str) -> str:
    """The word for an enum's value, or ArgumentError."""
    if value not in table:
        raise ArgumentError(name, f"{value} is no value of it", f"use one of {', '.join(map(str, table))}")
    return table[value]


def model_of(model: Any) -> tuple[str | None, str | None]:
    """Path and text, of which a model has one."""
    source = model.WhichOneof("source")
    return (model.path if source == "path" else None, model.text if source == "text" else None)


def weights_of(weights: Any) -> Weights:
    """The bytes of a caffemodel or its path; ArgumentError for neither."""
    source = weights.WhichOneof("source")
    if source is None:
        raise ArgumentError("weights", "neither data nor path given", "give the bytes of a caffemodel, or its path")
    return weights.data if source == "data" else weights.path  # type: ignore[no-any-return]


def reference_of(blob: Any) -> BlobRef:
    """The blob that is meant."""
    if blob.WhichOneof("blob") == "parameter":
        return blob.parameter.layer, blob.parameter.index
    return str(blob.name)


def place_of(reference: BlobRef) -> str:
    """A blob in words."""
    return f"blob '{reference}'" if isinstance(reference, str) else f"blob {reference[1]} of layer '{reference[0]}'"


def values_of(blob: Any, cut: Cut) -> Values:
    """What a blob shall be."""
    reference = reference_of(blob.blob)
    values = to_array(blob.values, place_of(reference), cut.of(blob.values.data))
    return Values(reference, known(PARTS, blob.part, "part"), values)


def arrays_of(tensors: Iterable[Any], cut: Cut) -> dict[str, Array]:
    """Arrays by blob, as the request came with them, not copied. ArgumentError for a blob that is given twice."""
    arrays: dict[str, Array] = {}
    for named in tensors:
        if named.name in arrays:
            raise ArgumentError(f"blob '{named.name}'", "is given twice", "give it once")
        arrays[named.name] = to_array(named.tensor, f"blob '{named.name}'", cut.of(named.tensor.data))
    return arrays


def layers_of(request: Any) -> tuple[str | None, str | None]:
    """First and last layer to run, as far as a request names them."""
    start = request.start if request.HasField("start") else None
    end = request.end if request.HasField("end") else None
    return start, end
