"""``caffe_sdk.v1.Models``: the repository's models, run with the requests of all clients batched together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from caffe_sdk.errors import ArgumentError, ShapeError
from caffe_sdk.memory import Array
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put_all
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call, wired
from caffe_sdk.server.native.records import to_message
from caffe_sdk.server.native.replies import named_shape
from caffe_sdk.server.native.requests import arrays_of
from caffe_sdk.server.payloads import Cut, decoder
from caffe_sdk.serving import InferRequest, InferResult, ModelState, Pending, Repository, ServedModel

TOP = 5  # classes for an image, unless the request says
AHEAD = 4  # requests of one stream that are under way at a time


class Models:
    """The calls of the service, by their names in the .proto. Raises CaffeErrors."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    # -- the repository ------------------------------------------------------------------------------------------------

    def list_models(self, request: Any, call: Call) -> Any:
        """Every version; none where the server keeps no models."""
        repository = self._backend.repository
        return pb.ListModelsReply(models=map(_status, repository.index() if repository is not None else ()))

    def describe_model(self, request: Any, call: Call) -> Any:
        """Inputs, outputs, labels, and how images become inputs."""
        model = self._repository().get(request.model, request.version)
        message = pb.ModelDescription(
            name=model.name,
            version=model.version,
            inputs=[named_shape(spec.name, spec.shape) for spec in model.inputs],
            outputs=[named_shape(spec.name, spec.shape) for spec in model.outputs],
            labels=model.labels or (),
            takes_images=model.takes_images,
            max_batch_size=model.config.max_batch_size,
        )
        if model.record is not None:
            message.preprocessing.CopyFrom(to_message(model.record))
        return message

    def load_model(self, request: Any, call: Call) -> Any:
        """Load a model, and say what versions there are."""
        repository = self._repository()
        repository.load(request.model)
        return pb.LoadModelReply(models=[_status(each) for each in repository.index() if each.name == request.model])

    def unload_model(self, request: Any, call: Call) -> Any:
        """Take a model out of service."""
        self._repository().unload(request.model)
        return pb.UnloadModelReply()

    # -- running -------------------------------------------------------------------------------------------------------

    @wired(decoder(pb.RunModelRequest))
    def run_model(self, cut: Cut, call: Call) -> Any:
        """Outputs for numbers or images."""
        request = cut.message
        wish = InferRequest(
            inputs=arrays_of(request.inputs, cut),
            images=list(request.images) or None,
            outputs=list(request.outputs),
            priority=request.priority,
            deadline=_deadline(call),
        )
        reply = pb.ForwardReply()
        put_all(reply.outputs, _result(self._model(request).submit(wish), call).outputs)
        return reply

    def classify(self, request: Any, call: Call) -> Any:
        """The likeliest classes of images."""
        model = self._model(request)
        output = request.output or next(spec.name for spec in model.outputs)
        wish = InferRequest(
            images=list(request.images), outputs=[output], priority=request.priority, deadline=_deadline(call)
        )
        scores = _result(model.submit(wish), call).outputs[output]
        top = request.top or TOP
        if top < 0:
            raise ArgumentError("top", f"{top} classes", "give 1 or more, or 0 for 5")
        return pb.ClassifyReply(
            version=model.version,
            images=[_classification(row, top, model.labels) for row in _rows(scores, len(request.images), output)],
        )

    def extract_features(self, requests: Iterator[Any], call: Call) -> Iterator[Any]:
        """Blobs for a stream of images; a few requests are under way at a time, and replies come in order."""
        first = next(requests, None)
        if first is None:
            return
        model, blobs = self._model(first), list(first.blobs)
        ahead: deque[Pending] = deque()
        for request in chain([first], requests):
            wish = InferRequest(images=list(request.images), outputs=blobs, deadline=_deadline(call))
            ahead.append(model.submit(wish))
            if len(ahead) == AHEAD:
                yield _features(_result(ahead.popleft(), call), blobs)
        while ahead:
            yield _features(_result(ahead.popleft(), call), blobs)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _repository(self) -> Repository:
        if self._backend.repository is None:
            raise ArgumentError("models", "this server keeps no models", "start it with --models DIR")
        return self._backend.repository

    def _model(self, request: Any) -> ServedModel:
        return self._repository().get(request.model, request.version)


def _status(state: ModelState) -> Any:
    return pb.ModelStatus(name=state.name, version=state.version, state=state.state, reason=state.reason)


def _deadline(call: Call) -> float | None:
    """When the client's time is up, by the monotonic clock."""
    seconds = call.remaining()
    return None if seconds is None else time.monotonic() + seconds


def _result(pending: Pending, call: Call) -> InferResult:
    """Wait for a result; a client that goes away is not computed for."""

    def cancel() -> None:
        pending.cancel()

    call.when_over(cancel)
    return pending.result()


def _features(result: InferResult, blobs: list[str]) -> Any:
    message = pb.Features()
    put_all(message.blobs, {name: result.outputs[name] for name in blobs or result.outputs})
    return message


def _rows(scores: Array, images: int, output: str) -> Array:
    """A row of scores for each image."""
    if scores.ndim < 2 or len(scores) != images:
        what = f"output '{output}' is of shape {scores.shape} for {images} images"
        raise ShapeError("classify", what, "name an output with a score for each class")
    return scores.reshape(images, -1)


def _classification(scores: Array, top: int, labels: tuple[str, ...] | None) -> Any:
    """The best of a row, the first of equals first."""
    best = np.argsort(-scores, kind="stable")[:top]
    return pb.Classification(
        classes=[
            pb.ClassScore(index=i, label=labels[i] if labels and i < len(labels) else "", score=scores[i])
            for i in map(int, best)
        ]
    )
