"""What a client knows of a net without asking: names, types, and references to its blobs."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from caffe_sdk.rpc import pb

log = logging.getLogger(__name__)


class Description:
    """A net as the server described it when it was made. Names stay, shapes may change."""

    def __init__(self, message: Any) -> None:
        self.message = message
        self.handle: int = message.net
        self.name: str = message.name
        self.phase: int = 0 if message.phase == pb.PHASE_TRAIN else 1
        self.inputs: list[str] = list(message.inputs)
        self.outputs: list[str] = list(message.outputs)

    def references(self) -> OrderedDict[str, Any]:
        """References to the blobs by name, in the order they are made."""
        return OrderedDict((blob.name, pb.BlobReference(name=blob.name)) for blob in self.message.blobs)

    def nbytes(self, reference: Any) -> int:
        """How many bytes a blob's values took when the net was described; 0 where that is not known."""
        if reference.WhichOneof("blob") == "name":
            shapes = [blob.shape for blob in self.message.blobs if blob.name == reference.name]
        else:
            name, index = reference.parameter.layer, reference.parameter.index
            shapes = [s for layer in self.message.layers if layer.name == name for s in layer.params[index : index + 1]]
        return sum(4 * math.prod(shape.dims) for shape in shapes)

    def tops(self, end: str | None) -> list[str]:
        """What a run to a layer gives: the net's outputs, or the layer's tops."""
        if end is None:
            return self.outputs
        return next((list(layer.tops) for layer in self.message.layers if layer.name == end), [])

    def warn_without_record(self) -> None:
        """Tell the log when images are not prepared in any way."""
        if not self.message.HasField("preprocessing"):
            log.warning("%s: there is no record of preprocessing: images go in as they are, RGB from 0 to 1", self.name)


def parameter(layer: str, index: int) -> Any:
    """The reference to a layer's learnable blob."""
    return pb.BlobReference(parameter=pb.Parameter(layer=layer, index=index))


def nbytes(values: npt.ArrayLike) -> int:
    """About how many bytes values take in a message."""
    return int(np.asarray(values).nbytes)
