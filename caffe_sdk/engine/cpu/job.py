"""Loops of machine code at work on a record, by one thread or a team."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from ctypes import c_uint, c_void_p
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu import machine_code
from caffe_sdk.engine.cpu.library import library
from caffe_sdk.engine.portable.job import Record, address
from caffe_sdk.threads import num_threads


class Job(Record):
    """A loop and the record it works on. Where threads claim items, it is by ``claims``, one number for each."""

    def __init__(self, loop: str, kind: np.dtype[Any], values: Mapping[str, Any]) -> None:
        super().__init__(kind, values, num_threads())
        self._claims = np.zeros(int(self.numbers["items"][0]) if "claims" in (kind.names or ()) else 0, np.int64)
        if self._claims.size:
            self.numbers["claims"] = address(self._claims)
        self._arguments: tuple[Any, ...] = (self.address,)
        if self.threads == 1:
            self._call = machine_code.function(loop)
        else:
            self._call, self._arguments = _team(), (machine_code.address_of(loop), self.address, self.threads, 0)

    def run(self) -> None:
        """Do all items."""
        self.begin()
        self._claims.fill(0)
        self._call(*self._arguments)


@functools.cache
def _team() -> Any:
    """OpenMP's way to call a function in several threads, the very ones that oneDNN computes in."""
    call = library().omp.GOMP_parallel
    call.argtypes, call.restype = (c_void_p, c_void_p, c_uint, c_uint), None
    return call
