"""From what the session gives to replies."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from caffe_sdk.app.descriptions import NetDescription, Shape
from caffe_sdk.app.session import Training
from caffe_sdk.rpc import pb
from caffe_sdk.solver.events import Event


def shape_message(shape: Shape) -> Any:
    """A shape as a message."""
    return pb.Shape(dims=shape)


def named_shape(name: str, shape: Shape) -> Any:
    """A blob's name and shape as a message."""
    return pb.NamedShape(name=name, shape=shape_message(shape))


def net_message(net: int, description: NetDescription, texts: Sequence[str]) -> Any:
    """A net as a message; ``texts`` are the prototxts of its layers."""
    return pb.Net(
        net=net,
        name=description.name,
        phase=pb.PHASE_TRAIN if description.phase == "train" else pb.PHASE_TEST,
        layers=[
            pb.Layer(
                name=layer.name,
                type=layer.type,
                bottoms=layer.bottoms,
                tops=layer.tops,
                params=map(shape_message, layer.params),
                prototxt=text,
            )
            for layer, text in zip(description.layers, texts, strict=True)
        ],
        blobs=[named_shape(name, shape) for name, shape in description.blobs],
        inputs=description.inputs,
        outputs=description.outputs,
    )


def events(training: Training) -> Iterator[Any]:
    """Events as messages. When the client goes away gRPC drops this generator, and closing it ends the training."""
    with closing(training):
        for event in training:
            yield event_message(event)


def event_message(event: Event) -> Any:
    """An event as a message: the messages have the names and fields of the classes."""
    name = type(event).__name__
    field = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return pb.Event(**{field: getattr(pb, name)(**dataclasses.asdict(event))})
