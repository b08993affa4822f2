"""The models that the server keeps for everybody, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import numpy.typing as npt

from caffe_sdk.client import asks
from caffe_sdk.client.aio.link import AsyncLink
from caffe_sdk.client.files import Image
from caffe_sdk.rpc.tensors import Array


class AsyncModels:
    """The models of a server's repository; as `RemoteModels`."""

    def __init__(self, client: AsyncLink) -> None:
        self._client = client

    async def list(self) -> list[Any]:
        """Every version: messages with ``name``, ``version``, ``state`` and ``reason``."""
        return await self._client.run(asks.list_models())

    async def describe(self, model: str, version: str = "") -> Any:
        """The ``ModelDescription`` message of a model: inputs, outputs, labels."""
        return await self._client.run(asks.describe_model(model, version))

    async def load(self, model: str) -> None:
        """Load a model, or what changed in its folder; takes the right "admin"."""
        await self._client.run(asks.load_model(model))

    async def unload(self, model: str) -> None:
        """Take a model out of service; takes the right "admin"."""
        await self._client.run(asks.unload_model(model))

    async def run(
        self,
        model: str,
        version: str = "",
        images: Iterable[Image] = (),
        outputs: Iterable[str] = (),
        **inputs: npt.ArrayLike,
    ) -> dict[str, Array]:
        """The outputs, or the named blobs, for ``images`` (paths here, or bytes) or values of the input blobs."""
        return await self._client.run(asks.run_model(model, version, images, outputs, inputs))

    async def classify(
        self, model: str, images: Iterable[Image], top: int = 5, version: str = ""
    ) -> Sequence[Sequence[tuple[str, float]]]:
        """For each image the likeliest classes: label (number where the model has no labels) and score."""
        return await self._client.run(asks.classify(model, version, images, top))

    def extract(
        self, model: str, blobs: Sequence[str], batches: Iterable[Sequence[Image]], version: str = ""
    ) -> AsyncIterator[dict[str, Array]]:
        """The named blobs for each batch of images, as they come: the batches are read while results are given."""
        return self._client.each(asks.extract_features(model, version, blobs, batches))
