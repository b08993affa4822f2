"""The engine itself: compiles when oneDNN is there, else computes as the portable engine does."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set

from caffe_sdk.engine.cpu.library import library
from caffe_sdk.engine.operation import Call, Program
from caffe_sdk.engine.portable import PortableEngine
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import SyncedMemory

log = logging.getLogger(__name__)


class CpuEngine(PortableEngine):
    """All operations on the computer's own processor, float32 by oneDNN."""

    name = "cpu"

    def __init__(self) -> None:
        self._has_onednn: bool | None = None  # not known before the first program

    def compile(
        self, calls: Sequence[Call], keep: Set[SyncedMemory] | None = None, after: Sequence[Program] = ()
    ) -> Program:
        """A program of oneDNN's primitives; without oneDNN, one of the portable engine."""
        if self._has_onednn is None:
            self._has_onednn = self._look_for_onednn()
        if not self._has_onednn:
            return super().compile(calls, keep, after)
        from caffe_sdk.engine.cpu.compile import CompiledProgram

        return CompiledProgram(self, calls, keep, after)

    def _look_for_onednn(self) -> bool:
        try:
            library()
        except DeviceError as error:
            log.warning("computing with loops and BLAS, which is slower: %s", error)
            return False
        return True
