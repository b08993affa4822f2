"""Blobs of a net, item by item, into databases or files of arrays, as Caffe's extract_features does it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from caffe_sdk.data.databases import Progress, create_database
from caffe_sdk.data.datum import encode_features
from caffe_sdk.errors import ArgumentError, ShapeError, WriteError
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from caffe_sdk.schema.files import PathLike, atomic_write
from caffe_sdk.schema.messages import TEST

FORMS = ("leveldb", "lmdb", "hdf5", "mat", "npy")
EVERY = 1000  # items from one line of the log to the next

log = logging.getLogger(__name__)


def extract_features(
    weights: PathLike,
    model: PathLike,
    blobs: Sequence[str],
    paths: Sequence[PathLike],
    batches: int,
    form: str = "leveldb",
    progress: Progress | None = None,
) -> None:
    """Run ``batches`` forward passes of ``model`` in phase TEST and write each of the ``blobs`` to its path.

    ``form`` leveldb or lmdb: a Datum of float_data for each item, keys of ten digits. hdf5: a dataset named after the
    blob, with its axes. npy: one array, (items, ...). mat: one variable, with the axes as MATLAB has them, items last.
    All files appear at the end, or none does. Raises ArgumentError for names and forms that make no sense, WriteError
    for a path that exists, and what `Net` raises.
    """
    _check(blobs, paths, batches, form)
    with Net(model, TEST, weights=weights) as net, contextlib.ExitStack() as stack:
        for name in blobs:
            if name not in net.blobs:
                what = f"Unknown feature blob name {name} in the network {model}"
                raise ArgumentError("extract_features", what, f"blobs: {', '.join(net.blobs)}")
        sinks = [stack.enter_context(_open(form, path, name)) for name, path in zip(blobs, paths, strict=True)]
        log.info("Extracting Features")
        items = [0] * len(blobs)
        for batch in range(1, batches + 1):
            net.forward()
            for i, (name, sink) in enumerate(zip(blobs, sinks, strict=True)):
                values = np.atleast_1d(net.blobs[name].data)
                sink.put(values)
                before, items[i] = items[i], items[i] + len(values)
                if before // EVERY != items[i] // EVERY or batch == batches:
                    log.info("Extracted features of %d query images for feature blob %s", items[i], name)
            if progress:
                progress(os.fspath(model), batch, batches)
    log.info("Successfully extracted the features!")


def _check(blobs: Sequence[str], paths: Sequence[PathLike], batches: int, form: str) -> None:
    where = "extract_features"
    if len(blobs) != len(paths) or not blobs:
        what = f"the number of blob names and dataset names must be equal, not {len(blobs)} and {len(paths)}"
        raise ArgumentError(where, what, "separate them by ','")
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise ArgumentError(where, "two blobs would go to one file", "give each its own")
    if form not in FORMS:
        raise ArgumentError(where, f"db_type '{form}'", f"use {', '.join(FORMS)}")
    if batches < 1:
        raise ArgumentError(where, f"{batches} mini-batches", "run 1 or more")
    for path in paths:
        if os.path.lexists(path):
            raise WriteError(os.fspath(path), "exists already", "remove it, or give another name")


class Sink(Protocol):
    """Where the items of a blob go. A context manager: complete when it ends well, nothing left behind when not."""

    def put(self, values: Array) -> None:
        """Add items (n, ...)."""
        ...

    def __enter__(self) -> Sink: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None: ...


def _open(form: str, path: PathLike, name: str) -> Sink:
    if form in ("leveldb", "lmdb"):
        return _Database(path, form)
    return _HDF5(path, name) if form == "hdf5" else _Arrays(path, name, form)


class _Database:
    """Datums, as the original writes them."""

    def __init__(self, path: PathLike, backend: str) -> None:
        self._path, self._count = os.fspath(path), 0
        self._writer = create_database(path, backend)

    def put(self, values: Array) -> None:
        if values.ndim > 4:
            what = f"a blob of shape {values.shape} has more than 4 axes"
            raise ShapeError(self._path, what, "a Datum has channels, height and width: use hdf5, npy or mat")
        for item in values.reshape(*values.shape, *[1] * (4 - values.ndim)):
            self._writer.put(b"%010d" % self._count, encode_features(item))
            self._count += 1

    def __enter__(self) -> _Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._writer.__exit__(kind, *rest)


class _HDF5:
    """A dataset that grows, in a hidden file until it is complete."""

    def __init__(self, path: PathLike, name: str) -> None:
        import h5py  # takes a quarter of a second to import

        self._path, self._name = Path(path), name
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._dataset: Any = None
        try:
            self._file = h5py.File(self._part, "w")
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> WriteError:
        return WriteError(str(self._path), f"cannot be written ({error})", "check its folder and the space there")

    def put(self, values: Array) -> None:
        try:
            if self._dataset is None:
                limits = (None, *values.shape[1:])
                self._dataset = self._file.create_dataset(self._name, data=values, maxshape=limits, chunks=True)
            else:
                rows = len(self._dataset)
                self._dataset.resize(rows + len(values), axis=0)
                self._dataset[rows:] = values
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise self._failure(error) from None

    def __enter__(self) -> _HDF5:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            self._file.close()
            if kind is None:
                os.replace(self._part, self._path)
        except (OSError, RuntimeError) as error:
            raise self._failure(error) from None
        finally:
            self._part.unlink(missing_ok=True)


class _Arrays:
    """One array, kept in memory until it is complete: .npy or .mat."""

    def __init__(self, path: PathLike, name: str, form: str) -> None:
        self._path, self._form = path, form
        self._name = re.sub(r"^(?=\d)|\W", "_", name)
        self._parts: list[Array] = []

    def put(self, values: Array) -> None:
        self._parts.append(values.copy())

    def __enter__(self) -> _Arrays:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            return
        values = np.concatenate(self._parts)
        with atomic_write(self._path) as file:
            if self._form == "npy":
                np.save(file, values)
            else:
                import scipy.io

                scipy.io.savemat(file, {self._name: values.T})
