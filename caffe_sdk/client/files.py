"""Models, weights and images as callers give them, put into messages."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put
from caffe_sdk.schema.files import read_bytes, read_text


@dataclass(frozen=True)
class ServerFile:
    """A file in the folder that the server keeps for its clients."""

    path: str


Model = str | os.PathLike[str] | ServerFile
"""A prototxt: its text, the path of a file here (a `pathlib.Path`), or a file of the server's."""

Weights = bytes | str | os.PathLike[str] | ServerFile
"""A caffemodel: its bytes, the path of a file here, or a file of the server's."""

Image = bytes | str | os.PathLike[str]
"""An image such as a JPEG: its bytes, or the path of a file here."""


def model_message(model: Model) -> Any:
    """A prototxt as a message."""
    if isinstance(model, ServerFile):
        return pb.Model(path=model.path)
    return pb.Model(text=model if isinstance(model, str) else read_text(model))


def put_weights(message: Any, weights: Weights) -> None:
    """Put a caffemodel into a message."""
    if isinstance(weights, ServerFile):
        message.path = weights.path
    else:
        message.data = weights_bytes(weights)


def weights_bytes(weights: bytes | str | os.PathLike[str]) -> bytes:
    """The bytes of a caffemodel that is here."""
    return weights if isinstance(weights, bytes) else read_bytes(Path(weights))


def image_bytes(images: Iterable[Image]) -> list[bytes]:
    """The bytes of images."""
    return [image if isinstance(image, bytes) else read_bytes(image) for image in images]


def put_record(request: Any, *files: Model | Weights | None) -> None:
    """Send along the record of preprocessing that lies beside a file that is sent."""
    paths = [file for file in files if isinstance(file, (str, os.PathLike))]
    if not paths:
        return
    from caffe_sdk import preprocessing  # which reads images: not for those who send none

    for path in paths:
        if not os.path.exists(preprocessing.record_path(path)):
            continue
        record = preprocessing.read(preprocessing.record_path(path))
        sent = request.preprocessing
        sent.resize.extend(record.resize or ())
        sent.crop.extend(record.crop or ())
        sent.channels, sent.scale = record.channels, record.scale
        if record.mean is not None:
            put(sent.mean, record.mean)
        return
