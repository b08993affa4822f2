"""Layers that read and write HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.data.hdf5 import hdf5_batches
from caffe_sdk.data.loader import Batches
from caffe_sdk.engine import Engine
from caffe_sdk.errors import WriteError
from caffe_sdk.layers.base import Arity, Layer, exactly, layer
from caffe_sdk.layers.data import Fed
from caffe_sdk.memory import HOST, Shape


@layer("HDF5Data")
class HDF5Data(Fed):
    """Rows of the datasets the tops are named after.  () -> (batch_size, ...), ...

    ``source`` is a text file that lists HDF5 files. ``shuffle`` changes the order of files and of rows in every pass.
    """

    tops = Arity(1, None)

    def setup(self, config: Any) -> None:
        self.param = config.hdf5_data_param
        transformed = config.HasField("transform_param")
        self.check(not transformed, "has a transform_param", "HDF5Data does not transform data: remove it")
        self.check(bool(self.param.source), "has no source", "give a text file that lists HDF5 files")
        self.check(self.param.batch_size > 0, "batch_size: 0", "give batch_size: 1 or more")

    def open(self) -> Batches:
        param = self.param
        return hdf5_batches(
            param.source,
            list(self.config.top),
            param.batch_size,
            shuffle=param.shuffle,
            seed=self.seed,
            **self.share(),
        )


@layer("HDF5Output")
class HDF5Output(Layer):
    """Writes its bottoms to the datasets ``data`` and ``label`` of ``file_name``.  (n, ...), (n, ...) ->

    The first forward pass begins the file anew, those after it add their rows. Datasets have four axes.
    """

    bottoms = exactly(2)
    tops = exactly(0)
    on_host = True

    def setup(self, config: Any) -> None:
        self.path: str = config.hdf5_output_param.file_name
        self.check(bool(self.path), "has no file_name", "give the path of the file to write")
        self._begun = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        data, label = bottoms
        self.check_shape(data[:1] == label[:1], f"data {data} and label {label}", "give one batch size")
        for shape in bottoms:
            self.check_shape(1 <= len(shape) <= 4, f"a bottom has shape {shape}", "give 1 to 4 axes")
        return []

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        import h5py  # takes a quarter of a second to import, and most users never need it

        try:
            with h5py.File(self.path, "a" if self._begun else "w") as file:
                for name, blob in zip(("data", "label"), bottom, strict=True):
                    _append(file, name, blob)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            what = f"{self.path} cannot be written: {error}"
            raise WriteError(self.where, what, "check the folder, the permissions and the space") from None
        self._begun = True

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        pass

    def can_force_backward(self, bottom: int) -> bool:
        return False


def _append(file: Any, name: str, blob: Blob) -> None:
    """Add a blob's rows to a dataset of an open file, made if it is not there. It can grow because it is chunked."""
    values = blob.data_memory.read(HOST).reshape(blob.num, blob.channels, blob.height, blob.width)
    if name not in file:
        file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]), chunks=True)
        return
    dataset = file[name]
    rows = len(dataset)
    dataset.resize(rows + len(values), axis=0)
    dataset[rows:] = values
