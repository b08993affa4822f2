"""The largest of several, value by value."""

from __future__ import annotations

from caffe_sdk.engine.portable.loops.compiled import compiled
from caffe_sdk.memory import Array


@compiled
def maximum_of_two(first: Array, second: Array, y: Array, mask: Array) -> None:
    """y = the larger and mask = which, the second of equals."""
    for i in range(first.size):
        second_is = second[i] >= first[i]
        mask[i] = second_is
        y[i] = second[i] if second_is else first[i]


@compiled
def maximum_with(x: Array, y: Array, mask: Array, index: int) -> None:
    """y and mask follow where x is larger than y."""
    for i in range(x.size):
        larger = x[i] > y[i]
        mask[i] = index if larger else mask[i]
        y[i] = x[i] if larger else y[i]


@compiled
def maximum_grad(dy: Array, mask: Array, dx: Array, index: int) -> None:
    """One pass of `maximum_grad`."""
    for i in range(dy.size):
        dx[i] = dy[i] * (mask[i] == index)
