"""More items than a batch holds: run a net over them batch by batch, as pycaffe's forward_all does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array

if TYPE_CHECKING:
    from caffe_sdk.net.net import Net


def batches(net: Net, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Pieces of each array as long as the net's first blob; the last is filled up with zeros."""
    arrays = {name: np.asarray(value) for name, value in values.items()}
    items = count_items(arrays)
    size = net._blobs[0].shape[0] if net._blobs and net._blobs[0].shape else 1
    for start in range(0, items, size):
        batch = {name: array[start : start + size] for name, array in arrays.items()}
        missing = size - min(size, items - start)
        if missing:
            batch = {n: np.concatenate([a, np.zeros((missing, *a.shape[1:]), a.dtype)]) for n, a in batch.items()}
        yield batch


def count_items(arrays: Mapping[str, Array]) -> int:
    """The length all arrays have in common, or ArgumentError."""
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        raise ArgumentError("", f"inputs of different numbers of items: {said}", "give as many of each")
    return next(iter(lengths.values()), 0)


def forward_all(net: Net, blobs: Iterable[str] | None, inputs: Mapping[str, Any]) -> dict[str, Array]:
    """Outputs (and further ``blobs``) for any number of items, as arrays of their own."""
    wanted = list(dict.fromkeys((*net.outputs, *(blobs or ()))))
    found: dict[str, list[Array]] = {name: [] for name in wanted}
    for batch in batches(net, inputs):
        outputs = net.forward(blobs=blobs, **batch)
        for name in wanted:
            found[name].append(np.array(outputs[name]))
    return _joined(found, inputs)


def forward_backward_all(
    net: Net, blobs: Iterable[str] | None, diffs: Iterable[str] | None, values: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and input diffs for any number of items; ``values`` holds both inputs and output diffs by name."""
    given = {name: value for name, value in values.items() if name in net.inputs}
    tops = {name: value for name, value in values.items() if name in net.outputs}
    datas: dict[str, list[Array]] = {}
    found: dict[str, list[Array]] = {}
    for batch, top in zip(batches(net, given), batches(net, tops), strict=True):
        for name, value in net.forward(blobs=blobs, **batch).items():
            datas.setdefault(name, []).append(np.array(value))
        for name, value in net.backward(diffs=diffs, **top).items():
            found.setdefault(name, []).append(np.array(value))
    return _joined(datas, given), _joined(found, given)


def _joined(found: Mapping[str, list[Array]], inputs: Mapping[str, Any]) -> dict[str, Array]:
    """Batches of results one after the other, without those of the filling."""
    items = count_items({name: np.asarray(value) for name, value in inputs.items()})
    joined = {}
    for name, parts in found.items():
        per_item = parts and all(part.ndim for part in parts)
        joined[name] = np.concatenate(parts)[:items] if per_item else np.asarray(parts)
    return joined
