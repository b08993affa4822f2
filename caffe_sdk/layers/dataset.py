"""Sources of examples that users write: a class with a length and examples by number becomes a type of data layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np

from caffe_sdk.data.datum import Pixels, Record
from caffe_sdk.data.indexed import IndexedSource
from caffe_sdk.data.loader import Batches
from caffe_sdk.data.transform import Transform
from caffe_sdk.errors import CaffeError, DataError
from caffe_sdk.layers.base import layer
from caffe_sdk.layers.data import Fed
from caffe_sdk.layers.plugins import told

Example = tuple[Any, Any]


class Examples(Protocol):
    """What a user's class must have."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


Class = TypeVar("Class", bound=Callable[..., Examples])


def dataset(type_name: str) -> Callable[[Class], Class]:
    """Make a class the source of a data layer: ``@dataset("Faces")`` above it, ``type: "Faces"`` in the prototxt.

    The class is called with the options of ``python_param { param_str: '{...}' }`` by name. ``len`` is the number of
    examples; ``[i]`` gives pixels (channels, height, width), uint8 or float, and a label, a number or an array of them.
    ``[i]`` is called by several threads, ahead of the net. The layer takes ``batch_size``, ``prefetch``, ``threads``
    and ``skip_bad`` from ``data_param`` and everything from ``transform_param``; in TRAIN every pass is shuffled.
    """

    def register(examples: Class) -> Class:
        layer(type_name)(type(type_name, (Dataset,), {"__doc__": examples.__doc__, "examples": staticmethod(examples)}))
        return examples

    return register


class Dataset(Fed):
    """Examples of a user's class, transformed.  () -> (batch_size, c, h, w), [labels (batch_size, ...)]"""

    examples: Callable[..., Examples]

    def setup(self, config: Any) -> None:
        self.check(config.data_param.batch_size > 0, "batch_size: 0", "give batch_size: 1 or more in data_param")
        with self._named():
            self.transform = Transform(config.transform_param, self.phase, "")

    def open(self) -> Batches:
        options = self.options
        try:
            examples = self.examples(**options)
            count = len(examples)
        except Exception as error:
            if isinstance(error, CaffeError):
                raise
            raise DataError("", f"cannot be opened: {told(error)}", "correct the class or the options") from error
        if count <= 0:
            raise DataError("", "has no examples", "give one at least")
        source = ExampleSource(examples, count, self.type, shuffle=self.training, seed=self.seed, **self.share())
        return self.load(source, self.transform, self.config.data_param.batch_size)


class ExampleSource(IndexedSource):
    """The ``count`` examples of a user's object; ``options`` are those of `IndexedSource`."""

    def __init__(self, examples: Examples, count: int, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._examples, self._count = examples, count

    def __len__(self) -> int:
        return self._count

    def record(self, number: int) -> Record:
        """The example, which is made when its pixels are asked for; its label is there from then on."""
        record = Record((0, 0, 0), None, 0, key=str(number).encode())
        record.load = partial(self._load, record, number)
        return record

    def _load(self, record: Record, number: int) -> Pixels:
        try:
            pixels, label = self._examples[number]
            record.label = np.array(label, np.float32)
            pixels = np.asarray(pixels)
        except Exception as error:
            if isinstance(error, CaffeError):
                raise
            raise DataError("", f"cannot be made: {told(error)}", "correct the class") from error
        if pixels.ndim != 3 or not pixels.size or pixels.dtype.kind not in "fu" or record.label.ndim > 1:
            what = f"pixels of shape {pixels.shape} and type {pixels.dtype}, a label of shape {record.label.shape}"
            raise DataError("", what, "give (channels, height, width), uint8 or float, and a number or (labels,)")
        return pixels if pixels.dtype == np.uint8 else np.asarray(pixels, np.float32)
