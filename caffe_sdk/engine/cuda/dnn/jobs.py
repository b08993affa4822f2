"""What cuDNN may compute beside convolutions, in numbers: a job, and the call it becomes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_float, c_void_p
from typing import Protocol

from caffe_sdk.engine.cuda.dnn.library import Dnn

Run = Callable[..., None]
"""Computes something once: takes the addresses of what is given, then of what is made."""

ONE, NOTHING = ctypes.byref(c_float(1)), ctypes.byref(c_float(0))
"""What results are multiplied by, and how much of what was there stays."""


class Job(Protocol):
    """Equal jobs are one: frozen dataclasses of shapes and numbers, no memory."""

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of each result."""

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run | None:
        """What computes it by cuDNN; None where cuDNN would compute something else.

        DnnError where it has no descriptors for it.
        """
