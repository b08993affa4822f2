"""Loops of machine code at work on a record, by one thread or a team."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from ctypes import c_uint, c_void_p
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu import machine_code
from caffe_sdk.engine.cpu.library import library
from caffe_sdk.memory import Array
from caffe_sdk.threads import num_threads


class Job:
    """A loop and the record it works on, taken by as many threads as there are.

    The record begins with the next item's ``ticket``, and says how many ``items`` there are.
    """

    def __init__(self, loop: str, kind: np.dtype[Any], values: Mapping[str, Any]) -> None:
        self.record = np.zeros(1, kind)
        for name, value in values.items():
            self.record[name] = value
        self._ticket = self.record["ticket"]
        threads = min(num_threads(), int(self.record["items"][0]))
        where = self.record.ctypes.data
        self._arguments: tuple[Any, ...] = (where,)
        if threads == 1:
            self._call = machine_code.function(loop)
        else:
            self._call, self._arguments = _team(), (machine_code.address_of(loop), where, threads, 0)

    def run(self) -> None:
        """Do all items."""
        self._ticket[0] = 0
        self._call(*self._arguments)


@functools.cache
def _team() -> Any:
    """OpenMP's way to call a function in several threads, the very ones that oneDNN computes in."""
    call = library().omp.GOMP_parallel
    call.argtypes, call.restype = (c_void_p, c_void_p, c_uint, c_uint), None
    return call


def address(array: Array) -> int:
    """Where an array begins."""
    return int(array.ctypes.data)
