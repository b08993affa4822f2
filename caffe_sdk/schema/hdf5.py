"""The HDF5 forms of caffemodel and solverstate, with the types of `caffe_sdk.schema.wire`.

A caffemodel has ``data/{layer}/{i}``, and ``diff/{layer}/{i}`` where gradients were saved; a blob that layers share is
there once, with the layer that owns it. A solverstate has ``iter``, ``learned_net``, ``current_step``, ``history/{i}``,
and ``minimum_loss`` and ``iter_last_event`` where the policy plateau needs them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from caffe_sdk.errors import CorruptFileError
from caffe_sdk.schema.files import PathLike, read_bytes, write_bytes
from caffe_sdk.schema.messages import SolverState
from caffe_sdk.schema.wire import BlobArray, StateBlobs

Layers = Mapping[str, Mapping[int, BlobArray]]
"""Blobs by index, by layer name."""


def is_hdf5(path: PathLike) -> bool:
    """Whether a file is HDF5 by its name, as Caffe tells."""
    return str(path).endswith(".h5")


def read_net(path: PathLike) -> Layers:
    """The blobs of a caffemodel. Raises MissingFileError, FileError, CorruptFileError."""
    with _reading(path) as file:
        diffs = file.get("diff", {})
        return {
            name: {int(index): BlobArray(_array(group[index]), _diff(diffs, name, index)) for index in group}
            for name, group in file["data"].items()
        }


def write_net(path: PathLike, layers: Layers) -> None:
    """Write a caffemodel, whole or not at all. Raises WriteError."""
    with _writing(path) as file:
        for name, blobs in layers.items():
            group = file.create_group(f"data/{name}")
            for index, blob in blobs.items():
                group[str(index)] = blob.data
                if blob.diff is not None:
                    file[f"diff/{name}/{index}"] = blob.diff


def read_state(path: PathLike) -> StateBlobs:
    """A solverstate. Raises MissingFileError, FileError, CorruptFileError."""
    with _reading(path) as file:
        state = SolverState(iter=int(file["iter"][0]), current_step=int(file["current_step"][0]))
        if "learned_net" in file:
            state.learned_net = bytes(file["learned_net"][()]).decode()
        if "minimum_loss" in file:
            state.minimum_loss = float(file["minimum_loss"][0])
            state.iter_last_event = int(file["iter_last_event"][0])
        history = file["history"]
        return StateBlobs(state, [BlobArray(_array(history[str(index)])) for index in range(len(history))])


def write_state(path: PathLike, state: Any, history: Sequence[BlobArray]) -> None:
    """Write a solverstate, whole or not at all. Raises WriteError."""
    with _writing(path) as file:
        file["iter"] = np.array([state.iter], np.int32)
        file["current_step"] = np.array([state.current_step], np.int32)
        file["learned_net"] = np.bytes_(state.learned_net.encode() + b"\0")  # with its end, as C strings have one
        if state.HasField("minimum_loss"):
            file["minimum_loss"] = np.array([state.minimum_loss], np.float32)
            file["iter_last_event"] = np.array([state.iter_last_event], np.int32)
        group = file.create_group("history")
        for index, blob in enumerate(history):
            group[str(index)] = blob.data


def _array(dataset: Any) -> Any:
    array = np.asarray(dataset[()])
    return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)


def _diff(diffs: Any, name: str, index: str) -> Any:
    return _array(diffs[name][index]) if name in diffs and index in diffs[name] else None


@contextmanager
def _reading(path: PathLike) -> Iterator[Any]:
    import h5py  # takes a quarter of a second to import, and most users never need it

    data = read_bytes(path)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            yield file
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, IndexError) as error:
        what = f"damaged, or not of the HDF5 form: {error}"
        raise CorruptFileError(str(path), what, "copy or download it again, or use an earlier snapshot") from None


@contextmanager
def _writing(path: PathLike) -> Iterator[Any]:
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        yield file
    write_bytes(path, image.getvalue())
