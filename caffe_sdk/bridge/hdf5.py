"""MATLAB's functions for HDF5 files, which Octave lacks: what ``bindings/matlab/octave/h5*.m`` ask for.

MATLAB counts axes in the other direction than HDF5 does, like everywhere in the bridge. Sizes arrive as doubles, in
which Inf is an axis that may grow; positions count from 1.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from caffe_sdk.bridge.values import Array
from caffe_sdk.errors import (
    ArgumentError,
    CaffeError,
    CorruptFileError,
    FileError,
    MissingFileError,
    ShapeError,
    WriteError,
)

Shape = tuple[int, ...]

CLASSES = {"double": "f8", "single": "f4"} | {
    f"{sign}int{8 * width}": f"{kind}{width}" for sign, kind in (("", "i"), ("u", "u")) for width in (1, 2, 4, 8)
}


def create(path: str, name: str, size: Array, matlab_class: str, chunk: Array, deflate: Array, fill: Array) -> None:
    """Make a dataset, and its file and groups where there are none yet. Axes of size Inf begin empty and may grow."""
    if matlab_class not in CLASSES:
        raise ArgumentError("h5create", f"'{matlab_class}' is no Datatype", f"use one of {', '.join(CLASSES)}")
    sizes = [float(each) for each in size.reshape(-1)[::-1]]
    most = tuple(None if math.isinf(each) else int(each) for each in sizes)
    if None in most and not chunk.size:
        raise ArgumentError("h5create", "a dataset that may grow needs chunks", "give 'ChunkSize'")
    if chunk.size not in (0, len(most)):
        raise ArgumentError("h5create", f"ChunkSize has {chunk.size} numbers, Size has {len(most)}", "give as many")
    options = {"compression": "gzip", "compression_opts": int(deflate.item())} if deflate.any() else {}
    with _file(path, "a") as file:
        if name in file:
            raise ArgumentError(path, f"there is a dataset '{name}' already", "use another name, or delete the file")
        file.create_dataset(
            name,
            tuple(length or 0 for length in most),
            CLASSES[matlab_class],
            maxshape=most,
            chunks=tuple(int(each) for each in chunk.reshape(-1)[::-1]) or None,
            fillvalue=fill.item(),
            **options,
        )


def write(path: str, name: str, values: Array, start: Array, count: Array) -> None:
    """Write numbers to a dataset, from ``start`` on where that is given; axes that may grow do so as needed."""
    with _file(path, "r+") as file:
        dataset = _dataset(file, path, name)
        first, shape = _region(dataset, start, count if count.size else _sizes(values, dataset.ndim))
        if values.size != math.prod(shape):
            raise ShapeError(f"{path}: {name}", f"{values.size} numbers for a place of {_words(shape)}")
        needed = tuple(max(old, at + n) for old, at, n in zip(dataset.shape, first, shape, strict=True))
        if not start.size and needed != shape:
            what = f"{_words(shape)} numbers for a dataset of {_words(dataset.shape)}"
            raise ShapeError(f"{path}: {name}", what, "give start and count to write a part")
        if needed != dataset.shape:
            _grow(dataset, needed, f"{path}: {name}")
        dataset[_slices(first, shape)] = values.reshape(shape)


def read(path: str, name: str, start: Array, count: Array) -> Array:
    """The numbers of a dataset, or of ``count`` of them from ``start`` on (Inf: all that follow)."""
    with _file(path, "r") as file:
        dataset = _dataset(file, path, name)
        first, shape = _region(dataset, start, count if count.size else np.full(dataset.ndim, np.inf))
        if any(at + n > length for at, n, length in zip(first, shape, dataset.shape, strict=True)):
            whole, part = _words(dataset.shape), _words(shape)
            raise ShapeError(f"{path}: {name}", f"{part} from {_words([at + 1 for at in first])} on are not in {whole}")
        return np.asarray(dataset[_slices(first, shape)])


def info(path: str, name: str) -> dict[str, Any]:
    """What a dataset is, or which datasets and groups a group has."""
    import h5py

    with _file(path, "r") as file:
        if name not in file:
            raise ArgumentError(path, f"there is no '{name}'", f"it has {', '.join(file)}")
        found = file[name]
        if isinstance(found, h5py.Dataset):
            return {"dataset": _described(name.rpartition("/")[2], found)}
        members = {key: found[key] for key in found}
        return {
            "datasets": [_described(key, each) for key, each in members.items() if isinstance(each, h5py.Dataset)],
            "groups": [each.name for each in members.values() if isinstance(each, h5py.Group)],
        }


TABLE: dict[str, Callable[..., Any]] = {"h5_create": create, "h5_write": write, "h5_read": read, "h5_info": info}


def _described(name: str, dataset: Any) -> dict[str, Any]:
    most = tuple(math.inf if length is None else length for length in dataset.maxshape)
    kind = "H5T_FLOAT" if dataset.dtype.kind == "f" else "H5T_INTEGER" if dataset.dtype.kind in "iu" else "H5T_OTHER"
    return {
        "name": name,
        "size": dataset.shape[::-1],
        "max_size": most[::-1],
        "class": kind,
        "type": _type_name(dataset.dtype),
        "chunk": dataset.chunks[::-1] if dataset.chunks else None,
        "fill": dataset.fillvalue if dataset.dtype.kind in "fiu" else None,
    }


def _type_name(dtype: np.dtype[Any]) -> str:
    """The name that HDF5 has for a type of numbers, e.g. H5T_IEEE_F32LE."""
    families = {"f": "IEEE_F", "i": "STD_I", "u": "STD_U"}
    if dtype.kind not in families:
        return str(dtype)
    return f"H5T_{families[dtype.kind]}{8 * dtype.itemsize}{'BE' if dtype.byteorder == '>' else 'LE'}"


def _region(dataset: Any, start: Array, count: Array) -> tuple[Shape, Shape]:
    """First position, from 0, and shape of a part of a dataset."""
    if start.size not in (0, dataset.ndim) or count.size != dataset.ndim:
        raise ArgumentError("HDF5", f"the dataset has {dataset.ndim} axes", "give start and count of as many numbers")
    first = tuple(int(each) - 1 for each in start.reshape(-1)[::-1]) or (0,) * dataset.ndim
    if any(each < 0 for each in first):
        raise ArgumentError("HDF5", "start is below 1", "MATLAB counts from 1")
    counts = [float(each) for each in count.reshape(-1)[::-1]]
    return first, tuple(
        max(0, length - at) if math.isinf(each) else int(each)
        for each, at, length in zip(counts, first, dataset.shape, strict=True)
    )


def _sizes(values: Array, axes: int) -> Array:
    """MATLAB's sizes of values for a dataset of so many axes: ones behind are MATLAB's to leave out."""
    sizes = values.shape[::-1]
    if axes == 1:
        return np.array([values.size], "f8")
    while len(sizes) > axes and sizes[-1] == 1:
        sizes = sizes[:-1]
    return np.array(sizes + (1,) * (axes - len(sizes)), "f8")


def _grow(dataset: Any, needed: Shape, where: str) -> None:
    if any(most is not None and n > most for n, most in zip(needed, dataset.maxshape, strict=True)):
        raise ShapeError(where, f"{_words(needed)} is more than the dataset may have, {_words(dataset.maxshape)}")
    dataset.resize(needed)


def _slices(first: Shape, shape: Shape) -> tuple[slice, ...]:
    return tuple(slice(at, at + n) for at, n in zip(first, shape, strict=True))


def _words(shape: Any) -> str:
    """A shape as MATLAB prints a size."""
    return "[ " + "".join(f"{'Inf' if n is None else n} " for n in reversed(shape)) + "]"


def _dataset(file: Any, path: str, name: str) -> Any:
    import h5py

    if not isinstance(file.get(name), h5py.Dataset):
        raise ArgumentError(path, f"there is no dataset '{name}'", f"it has {', '.join(file) or 'none'}")
    return file[name]


@contextmanager
def _file(path: str, mode: str) -> Iterator[Any]:
    """An open HDF5 file; h5py's errors become ours."""
    import h5py

    path = os.path.expanduser(path)
    if mode != "a" and not os.path.exists(path):
        raise MissingFileError(path, "does not exist", "check the path")
    try:
        with h5py.File(path, mode) as file:
            yield file
    except CaffeError:
        raise
    except PermissionError as error:
        raise (FileError if mode == "r" else WriteError)(path, str(error), "check its permissions") from None
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        words, remedy = f"HDF5 says: {error}", "check the file and the arguments"
        raise (CorruptFileError if mode == "r" else WriteError)(path, words, remedy) from None
