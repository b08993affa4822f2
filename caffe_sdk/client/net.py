"""A net on the server, with the members of `caffe_sdk.Net`."""

from __future__ import annotations

import math
import os
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy.typing as npt

from caffe_sdk.client import asks
from caffe_sdk.client.description import Description, nbytes, parameter
from caffe_sdk.client.files import Image, ServerFile, Weights, weights_bytes
from caffe_sdk.client.link import Link
from caffe_sdk.errors import LimitError
from caffe_sdk.rpc.tensors import Array
from caffe_sdk.schema.files import write_bytes


class RemoteNet:
    """A net on the server. It is released when it is closed or forgotten."""

    def __init__(self, client: Link, description: Any, owned: bool = True) -> None:
        self._client, self._description = client, Description(description)
        self._net = self._description.handle
        self.name, self.phase = self._description.name, self._description.phase
        self.inputs, self.outputs = self._description.inputs, self._description.outputs
        self._finalizer = weakref.finalize(self, client.release, asks.release_net(self._net)) if owned else None
        if self._finalizer is not None:
            self._finalizer.atexit = False

    @property
    def handle(self) -> int:
        """What the server calls the net."""
        return int(self._net)

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def blobs(self) -> OrderedDict[str, RemoteBlob]:
        """Blobs by name, in the order they are made."""
        return OrderedDict((name, RemoteBlob(self, blob)) for name, blob in self._description.references().items())

    @property
    def layers(self) -> list[RemoteLayer]:
        """Layers in order, those that were inserted included."""
        return [RemoteLayer(self, layer) for layer in self._description.message.layers]

    @property
    def layer_dict(self) -> OrderedDict[str, RemoteLayer]:
        """Layers by name."""
        return OrderedDict((layer.name, layer) for layer in self.layers)

    @property
    def params(self) -> OrderedDict[str, list[RemoteBlob]]:
        """Learnable blobs of each layer that has any, by the layer's name."""
        return OrderedDict((layer.name, layer.blobs) for layer in self.layers if layer.blobs)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The blobs' shapes by name, as they are now."""
        return self._client.run(asks.shapes(self._net))

    # -- running -------------------------------------------------------------------------------------------------------

    def forward(
        self, blobs: Iterable[str] = (), start: str | None = None, end: str | None = None, **inputs: npt.ArrayLike
    ) -> dict[str, Array]:
        """Set the input blobs, run layers ``start`` to ``end``, give the outputs and the ``blobs`` asked for."""
        wanted = list(blobs)
        fits = sum(map(nbytes, inputs.values())) <= self._client.limit
        if fits or self._finalizer is None or set(inputs) != set(self.inputs):  # who shares a net makes one call of it
            return self._client.run(asks.forward(self._net, wanted, start, end, inputs))
        references = self._description.references()
        for name, values in inputs.items():
            self.set(references[name], "data", values)
        self._client.run(asks.forward(self._net, wanted, start, end, {}, omit=True))
        return {name: self.get(references[name], "data") for name in (*self._description.tops(end), *wanted)}

    def predict(self, images: Iterable[Image], blobs: Iterable[str] = ()) -> dict[str, Array]:
        """The outputs, and the ``blobs`` asked for, of image files (paths here, or bytes), by the net's record.

        The log warns where the net has no record of preprocessing: then images go in as they are, RGB from 0 to 1.
        """
        self._description.warn_without_record()
        return self._client.run(asks.predict(self._net, images, blobs))

    def backward(
        self, diffs: Iterable[str] = (), start: str | None = None, end: str | None = None, **tops: npt.ArrayLike
    ) -> dict[str, Array]:
        """Set the outputs' gradients, run layers ``start`` back to ``end``, give the inputs' gradients and those of the
        blobs in ``diffs``.
        """
        return self._client.run(asks.backward(self._net, diffs, start, end, tops))

    def reshape(self) -> None:
        """Let every layer follow the shapes of the input blobs."""
        self._client.run(asks.reshape_net(self._net))

    def clear_param_diffs(self) -> None:
        """Set the gradients of all parameters to zero."""
        self._client.run(asks.clear_param_diffs(self._net))

    # -- weights -------------------------------------------------------------------------------------------------------

    def copy_from(self, weights: Weights) -> list[str]:
        """Load a caffemodel into layers of the same names; gives those names."""
        if not isinstance(weights, ServerFile):
            weights = weights_bytes(weights)
            if len(weights) > self._client.limit:
                return self._client.run(asks.upload_weights(self._net, weights, self._client.limit))
        return self._client.run(asks.copy_from(self._net, weights))

    def share_with(self, other: RemoteNet) -> None:
        """Use another net's parameters in layers of the same name."""
        self._client.run(asks.share_weights(self._net, other._net))

    def to_bytes(self) -> bytes:
        """The net's weights as the bytes of a caffemodel."""
        return self._client.gather(asks.download_weights(self._net))

    def save(self, path: str | os.PathLike[str] | ServerFile) -> None:
        """Write the net's weights to a caffemodel here, or in the server's folder."""
        if isinstance(path, ServerFile):
            self._client.run(asks.save_net(self._net, path.path))
        else:
            write_bytes(path, self.to_bytes())

    # -- blobs ---------------------------------------------------------------------------------------------------------

    def get(self, reference: Any, part: str) -> Array:
        """A copy of a blob's "data" or "diff", in chunks if it is too large for a message."""
        if self._description.nbytes(reference) <= self._client.limit:
            with suppress(LimitError):  # it is larger by now
                return self._client.run(asks.get_blob(self._net, reference, part))
        return self._client.gather(asks.download_blob(self._net, reference, part))

    def set(self, reference: Any, part: str, values: npt.ArrayLike) -> None:
        """Overwrite a blob's "data" or "diff", in chunks if it is too large for a message."""
        limit = self._client.limit
        if nbytes(values) <= limit:
            self._client.run(asks.set_blob(self._net, reference, part, values))
        else:
            self._client.run(asks.upload_blob(self._net, reference, part, values, limit))

    def reshape_blob(self, reference: Any, shape: Sequence[int]) -> None:
        """Give a blob another shape."""
        self._client.run(asks.reshape_blob(self._net, reference, shape))

    def close(self) -> None:
        """Let the net go. A solver's net goes with the solver."""
        if self._finalizer is not None:
            self._finalizer()

    def __repr__(self) -> str:
        return f"<RemoteNet {self.name!r} at {self._client.address}: {len(self.layers)} layers>"


class RemoteLayer:
    """A layer of a net on the server."""

    def __init__(self, net: RemoteNet, description: Any) -> None:
        self.name: str = description.name
        self.type: str = description.type
        self.bottoms: list[str] = list(description.bottoms)
        self.tops: list[str] = list(description.tops)
        self.prototxt: str = description.prototxt
        """The layer as a prototxt describes it."""
        self.blobs = [RemoteBlob(net, parameter(self.name, index)) for index in range(len(description.params))]


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
