"""Calls that one pass over the result computes together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from caffe_sdk.engine.operation import Call

RECTIFIED = {"convolution": "rectified_convolution", "inner_product": "rectified_inner_product"}
"""Methods of the engine that end in a ReLU."""


def fused(calls: Sequence[Call]) -> Iterator[tuple[str, tuple[Call, ...], dict[str, Any]]]:
    """The engine's method for every call or pair of calls, with what to give it."""
    i = 0
    while i < len(calls):
        call = calls[i]
        if i + 1 < len(calls) and _rectifies(call, calls[i + 1]):
            relu = calls[i + 1]
            yield RECTIFIED[call.name], (call, relu), {**call.arguments, "negative_slope": relu["negative_slope"]}
            i += 2
        else:
            yield call.name, (call,), call.arguments
            i += 1


def _rectifies(call: Call, relu: Call) -> bool:
    """Whether the second call is a ReLU in place on all that the first makes."""
    if call.name not in RECTIFIED or relu.name != "relu":
        return False
    made = call["y"]
    return all(t.memory is made.memory and t.count == made.count for t in (relu["x"], relu["y"]))
