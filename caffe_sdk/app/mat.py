"""Nets in .mat files of MATLAB: description, weights, preprocessing and classes, to be looked at and changed there.

The variables are ``caffe_net`` (1, the version), ``prototxt``, ``layers`` (n x 1 struct with name, type and the cell
array params, arrays as MatCaffe shows them: [width height channels num]), ``preprocessing`` (struct) and ``classes``.
Text outside of ASCII is UTF-8 in uint8: Octave reads it wrong otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from caffe_sdk.errors import CorruptFileError, WriteError
from caffe_sdk.memory import Array
from caffe_sdk.preprocessing import CHANNELS, Preprocessing
from caffe_sdk.schema.files import PathLike, read_bytes, write_bytes

VERSION = 1
LIMIT = 2**31  # bytes: .mat version 5 holds less in one variable


class StoredLayer(NamedTuple):
    """A layer and its learnable blobs, in their shapes."""

    name: str
    type: str
    params: list[Array]


class StoredNet(NamedTuple):
    """What a file holds."""

    prototxt: str
    layers: list[StoredLayer]
    record: Preprocessing | None = None
    classes: list[str] | Array | None = None


def save(path: PathLike, net: StoredNet) -> None:
    """Write a file, complete or not at all. Raises WriteError, also for blobs that such a file cannot hold."""
    from scipy.io import savemat

    layers = np.empty((len(net.layers), 1), [("name", object), ("type", object), ("params", object)])
    for row, layer in zip(layers, net.layers, strict=True):
        for array in layer.params:
            if array.nbytes >= LIMIT:
                what = f"a blob of layer '{layer.name}' has {array.nbytes} bytes, and less than 2 GB fit"
                raise WriteError(str(path), what, "save a caffemodel, or HDF5, instead")
        row[0] = _text(layer.name), _text(layer.type), _cell([_reversed(array) for array in layer.params])
    variables: dict[str, Any] = {"caffe_net": float(VERSION), "prototxt": _text(net.prototxt), "layers": layers}
    if net.record is not None:
        record = net.record
        given: dict[str, Any] = {
            "resize": record.resize,
            "crop": record.crop,
            "channels": record.channels,
            "scale": record.scale,
        }
        given["mean"] = None if record.mean is None else _reversed(record.mean)
        variables["preprocessing"] = {name: value for name, value in given.items() if value is not None}
    if net.classes is not None:
        names = net.classes
        variables["classes"] = _cell([_text(name) for name in names]) if isinstance(names, list) else names
    data = io.BytesIO()
    savemat(data, variables, format="5", do_compression=False, oned_as="column")
    write_bytes(path, data.getvalue())


def load(path: PathLike) -> StoredNet:
    """Read a file that `save`, or MATLAB after it, has written. Raises FileErrors, CorruptFileError for any other."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    data = read_bytes(path)
    if data[:10].startswith(b"MATLAB 7.3"):
        raise CorruptFileError(str(path), "is of version 7.3", "in MATLAB: save(file, '-struct', 'variables', '-v7')")
    try:
        variables = loadmat(io.BytesIO(data), chars_as_strings=True)
        layers = [
            StoredLayer(_string(row["name"]), _string(row["type"]), [_array(each) for each in row["params"].ravel("F")])
            for row in np.atleast_1d(variables["layers"]).ravel("F")
        ]
        record = _record(variables["preprocessing"][0, 0]) if "preprocessing" in variables else None
        return StoredNet(_string(variables["prototxt"]), layers, record, _classes(variables.get("classes")))
    except (ValueError, KeyError, TypeError, IndexError, OSError, NotImplementedError, MatReadError) as error:
        what = f"is no net in a .mat file: {type(error).__name__}: {error}"
        raise CorruptFileError(str(path), what, "give what caffe.save_mat wrote") from None


def _text(text: str) -> Any:
    return text if text.isascii() else np.frombuffer(text.encode(), np.uint8)[None]


def _string(value: Array) -> str:
    if value.dtype.kind == "U":
        return "".join(value.ravel())
    return value.astype(np.uint8).tobytes().decode()


def _cell(items: Sequence[Any]) -> Array:
    cell = np.empty((len(items), 1), object)
    for index, item in enumerate(items):
        cell[index, 0] = item
    return cell


def _reversed(array: Array) -> Array:
    """An array of Python's as MATLAB has it; one axis is a column."""
    return array.T if array.ndim > 1 else array.reshape(-1, 1)


def _array(value: Array) -> Array:
    if value.dtype.kind not in "fiu":
        raise ValueError(f"params of type {value.dtype}")
    return np.ascontiguousarray(value.T, np.float32)


def _record(entries: Any) -> Preprocessing:
    names = entries.dtype.names
    sizes = {name: tuple(int(n) for n in entries[name].ravel()) for name in ("resize", "crop") if name in names}
    mean = np.asarray(entries["mean"], np.float32).T if "mean" in names else None
    if mean is not None and mean.ndim < 3:
        mean = mean.reshape(-1)
    channels = _string(entries["channels"])
    if channels not in CHANNELS or any(len(size) != 2 for size in sizes.values()):
        raise ValueError("preprocessing makes no sense")
    return Preprocessing(
        sizes.get("resize"),  # type: ignore[arg-type]
        sizes.get("crop"),  # type: ignore[arg-type]
        channels,
        mean,
        float(entries["scale"].item()),
    )


def _classes(value: Any) -> list[str] | Array | None:
    if value is None:
        return None
    return [_string(each) for each in value.ravel("F")] if value.dtype == object else value
