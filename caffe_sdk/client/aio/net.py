"""A net on the server, with the members of `caffe_sdk.Net`, to be awaited."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy.typing as npt

from caffe_sdk.client import asks
from caffe_sdk.client.aio.link import AsyncLink
from caffe_sdk.client.description import Description, nbytes, parameter
from caffe_sdk.client.files import Image, ServerFile, Weights, weights_bytes
from caffe_sdk.errors import LimitError
from caffe_sdk.rpc.tensors import Array
from caffe_sdk.schema.files import write_bytes


class AsyncNet:
    """A net on the server. It is released when it is closed, or the connection ends."""

    def __init__(self, client: AsyncLink, description: Any, owned: bool = True) -> None:
        self._client, self._description, self._owned = client, Description(description), owned
        self._net = self._description.handle
        self.name, self.phase = self._description.name, self._description.phase
        self.inputs, self.outputs = self._description.inputs, self._description.outputs

    @property
    def handle(self) -> int:
        """What the server calls the net."""
        return int(self._net)

    @property
    def blobs(self) -> OrderedDict[str, AsyncBlob]:
        """Blobs by name, in the order they are made."""
        return OrderedDict((name, AsyncBlob(self, blob)) for name, blob in self._description.references().items())

    @property
    def params(self) -> OrderedDict[str, list[AsyncBlob]]:
        """Learnable blobs of each layer that has any, by the layer's name."""
        layers = [layer for layer in self._description.message.layers if layer.params]
        return OrderedDict(
            (layer.name, [AsyncBlob(self, parameter(layer.name, i)) for i in range(len(layer.params))])
            for layer in layers
        )

    async def shapes(self) -> dict[str, tuple[int, ...]]:
        """The blobs' shapes by name, as they are now."""
        return await self._client.run(asks.shapes(self._net))

    async def forward(
        self, blobs: Iterable[str] = (), start: str | None = None, end: str | None = None, **inputs: npt.ArrayLike
    ) -> dict[str, Array]:
        """Set the input blobs, run layers ``start`` to ``end``, give the outputs and the ``blobs`` asked for."""
        wanted = list(blobs)
        fits = sum(map(nbytes, inputs.values())) <= self._client.limit
        if fits or not self._owned or set(inputs) != set(self.inputs):  # who shares a net makes one call of it
            return await self._client.run(asks.forward(self._net, wanted, start, end, inputs))
        for name, values in inputs.items():
            await self.blobs[name].set(values)
        await self._client.run(asks.forward(self._net, wanted, start, end, {}, omit=True))
        return {name: await self.blobs[name].get() for name in (*self._description.tops(end), *wanted)}

    async def predict(self, images: Iterable[Image], blobs: Iterable[str] = ()) -> dict[str, Array]:
        """The outputs, and the ``blobs`` asked for, of image files (paths here, or bytes), by the net's record."""
        self._description.warn_without_record()
        return await self._client.run(asks.predict(self._net, images, blobs))

    async def backward(
        self, diffs: Iterable[str] = (), start: str | None = None, end: str | None = None, **tops: npt.ArrayLike
    ) -> dict[str, Array]:
        """Set the outputs' gradients, run layers ``start`` back to ``end``, give the inputs' gradients and those of the
        blobs in ``diffs``.
        """
        return await self._client.run(asks.backward(self._net, diffs, start, end, tops))

    async def reshape(self) -> None:
        """Let every layer follow the shapes of the input blobs."""
        await self._client.run(asks.reshape_net(self._net))

    async def clear_param_diffs(self) -> None:
        """Set the gradients of all parameters to zero."""
        await self._client.run(asks.clear_param_diffs(self._net))

    async def copy_from(self, weights: Weights) -> list[str]:
        """Load a caffemodel into layers of the same names; gives those names."""
        if not isinstance(weights, ServerFile):
            weights = weights_bytes(weights)
            if len(weights) > self._client.limit:
                return await self._client.run(asks.upload_weights(self._net, weights, self._client.limit))
        return await self._client.run(asks.copy_from(self._net, weights))

    async def share_with(self, other: AsyncNet) -> None:
        """Use another net's parameters in layers of the same name."""
        await self._client.run(asks.share_weights(self._net, other._net))

    async def to_bytes(self) -> bytes:
        """The net's weights as the bytes of a caffemodel."""
        return await self._client.gather(asks.download_weights(self._net))

    async def save(self, path: str | os.PathLike[str] | ServerFile) -> None:
        """Write the net's weights to a caffemodel here, or in the server's folder."""
        if isinstance(path, ServerFile):
            await self._client.run(asks.save_net(self._net, path.path))
        else:
            write_bytes(path, await self.to_bytes())

    async def close(self) -> None:
        """Let the net go. A solver's net goes with the solver."""
        if self._owned:
            await self._client.run(asks.release_net(self._net))


class AsyncBlob:
    """A blob of a net on the server. ``part`` is "data" or "diff"."""

    def __init__(self, net: AsyncNet, reference: Any) -> None:
        self._net, self._reference = net, reference

    async def get(self, part: str = "data") -> Array:
        """Fetch the values, read-only; in chunks if they are too large for a message."""
        net = self._net
        if net._description.nbytes(self._reference) <= net._client.limit:
            with suppress(LimitError):  # it is larger by now
                return await net._client.run(asks.get_blob(net._net, self._reference, part))
        return await net._client.gather(asks.download_blob(net._net, self._reference, part))

    async def set(self, values: npt.ArrayLike, part: str = "data") -> None:
        """Overwrite the values; in chunks if they are too large for a message."""
        net, limit = self._net, self._net._client.limit
        if nbytes(values) <= limit:
            await net._client.run(asks.set_blob(net._net, self._reference, part, values))
        else:
            await net._client.run(asks.upload_blob(net._net, self._reference, part, values, limit))

    async def reshape(self, *shape: int) -> None:
        """Take another shape; the net's `reshape` or `forward` carries it through the net."""
        await self._net._client.run(asks.reshape_blob(self._net._net, self._reference, shape))
