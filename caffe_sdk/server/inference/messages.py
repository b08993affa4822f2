"""Calls for inference and their answers as the messages of ``inference.GRPCInferenceService``."""

from __future__ import annotations

from typing import Any

from caffe_sdk.errors import ArgumentError, UnsupportedError
from caffe_sdk.server.inference import datatypes, pb
from caffe_sdk.server.inference.calls import Answer, InferCall, Parameter, Tensor, Wanted
from caffe_sdk.server.inference.wire import Reply, Request


def to_call(wired: Request) -> InferCall:
    """The call that a ModelInferRequest makes. Raises ArgumentError for tensors that make no sense."""
    request, raw = wired.message, wired.raw
    if wired.fault:
        raise ArgumentError("", wired.fault)
    if raw and len(raw) != len(request.inputs):
        what = f"{len(raw)} for {len(request.inputs)} inputs"
        raise ArgumentError("raw_input_contents", what, "send all tensors there, or none")
    tensors = [_tensor(tensor, raw[i] if raw else None) for i, tensor in enumerate(request.inputs)]
    wanted = [_wanted(output) for output in request.outputs]
    parameters = _parameters(request.parameters)
    return InferCall(request.model_name, request.model_version, request.id, tensors, wanted, parameters)


def to_reply(answer: Answer) -> Reply:
    """The ModelInferResponse of an answer, all of its values in raw_output_contents."""
    message = pb.ModelInferResponse(model_name=answer.model, model_version=answer.version, id=answer.id)
    for tensor in answer.outputs:
        message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    return Reply(message, [datatypes.to_raw(tensor.values) for tensor in answer.outputs])


def _tensor(tensor: Any, raw: bytes | memoryview | None) -> Tensor:
    where, shape = f"input '{tensor.name[:80]}'", tuple(tensor.shape)
    refuse_shared_memory(where, tensor.parameters)
    if raw is None:
        values = datatypes.from_contents(tensor.datatype, shape, tensor.contents, where)
    elif tensor.HasField("contents"):
        raise ArgumentError(where, "has contents, and raw contents came too", "send one of them")
    else:
        values = datatypes.from_raw(tensor.datatype, shape, raw, where)
    return Tensor(tensor.name, tensor.datatype, shape, values)


def _wanted(output: Any) -> Wanted:
    where, parameters = f"output '{output.name[:80]}'", _parameters(output.parameters)
    refuse_shared_memory(where, parameters)
    return Wanted(output.name, classes_of(where, parameters.get("classification", 0)))


def _parameters(parameters: Any) -> dict[str, Parameter]:
    """Parameters by name; one that is set to nothing is left out."""
    if not parameters:  # as most often
        return {}
    chosen = {name: value.WhichOneof("parameter_choice") for name, value in parameters.items()}
    return {name: getattr(parameters[name], field) for name, field in chosen.items() if field}


def classes_of(where: str, count: object) -> int:
    """How many classes the parameter ``classification`` asks for. ArgumentError for what is no such number."""
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count < 2**31:
        raise ArgumentError(where, f"'classification' is {count!r:.40}", "give a whole number of 0 or more")
    return count


def refuse_shared_memory(where: str, parameters: Any) -> None:
    """UnsupportedError for a tensor that is said to be in shared memory."""
    if any(name.startswith("shared_memory_") for name in parameters):
        raise UnsupportedError(where, "is in shared memory, which the server does not look into", "send its bytes")
