"""The models that the server keeps for everybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy.typing as npt

from caffe_sdk.client import asks
from caffe_sdk.client.files import Image
from caffe_sdk.client.link import Link
from caffe_sdk.rpc.tensors import Array


class RemoteModels:
    """The models of a server's repository. ``version`` is the latest that is ready where it is empty."""

    def __init__(self, client: Link) -> None:
        self._client = client

    def list(self) -> list[Any]:
        """Every version: messages with ``name``, ``version``, ``state`` and ``reason``."""
        return self._client.run(asks.list_models())

    def describe(self, model: str, version: str = "") -> Any:
        """The ``ModelDescription`` message of a model: inputs, outputs, labels."""
        return self._client.run(asks.describe_model(model, version))

    def load(self, model: str) -> None:
        """Load a model, or what changed in its folder; takes the right "admin"."""
        self._client.run(asks.load_model(model))

    def unload(self, model: str) -> None:
        """Take a model out of service; takes the right "admin"."""
        self._client.run(asks.unload_model(model))

    def run(
        self,
        model: str,
        version: str = "",
        images: Iterable[Image] = (),
        outputs: Iterable[str] = (),
        **inputs: npt.ArrayLike,
    ) -> dict[str, Array]:
        """The outputs, or the named blobs, for ``images`` (paths here, or bytes) or values of the input blobs."""
        return self._client.run(asks.run_model(model, version, images, outputs, inputs))

    def classify(
        self, model: str, images: Iterable[Image], top: int = 5, version: str = ""
    ) -> Sequence[Sequence[tuple[str, float]]]:
        """For each image the likeliest classes: label (number where the model has no labels) and score."""
        return self._client.run(asks.classify(model, version, images, top))

    def extract(
        self, model: str, blobs: Sequence[str], batches: Iterable[Sequence[Image]], version: str = ""
    ) -> Iterator[dict[str, Array]]:
        """The named blobs for each batch of images, as they come: the batches are read while results are given."""
        return self._client.each(asks.extract_features(model, version, blobs, batches))
