"""More items than a batch holds: arrays cut into batches and results put together again, as pycaffe does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from caffe_sdk.errors import ArgumentError
from caffe_sdk.memory import Array


def cut(values: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    """Pieces of ``size`` items of each array; the last is filled up with zeros."""
    arrays = {name: np.asarray(value) for name, value in values.items()}
    items = count_items(arrays)
    for start in range(0, items, size):
        batch = {name: array[start : start + size] for name, array in arrays.items()}
        missing = size - min(size, items - start)
        if missing:
            batch = {n: np.concatenate([a, np.zeros((missing, *a.shape[1:]), a.dtype)]) for n, a in batch.items()}
        yield batch


def count_items(values: Mapping[str, Any]) -> int:
    """The length all arrays have in common, or ArgumentError."""
    lengths = {name: len(value) if np.ndim(value) else 0 for name, value in values.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
        raise ArgumentError("", f"inputs of different numbers of items: {said}", "give as many of each")
    return next(iter(lengths.values()), 0)


def joined(results: Sequence[Mapping[str, Array]], items: int) -> dict[str, Array]:
    """Batches of results one after the other, without those of the filling; a number per batch stays that."""
    names = results[0] if results else {}
    found = {}
    for name in names:
        parts = [np.asarray(result[name]) for result in results]
        found[name] = np.concatenate(parts)[:items] if all(part.ndim for part in parts) else np.asarray(parts)
    return found
