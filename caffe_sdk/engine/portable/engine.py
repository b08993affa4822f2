"""The engine itself."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Sequence, Set

from caffe_sdk.engine.operation import Call, Clock, EagerProgram, Program
from caffe_sdk.engine.portable import conditions
from caffe_sdk.engine.portable.affine import FastAffine
from caffe_sdk.engine.portable.convolution import FastConvolution
from caffe_sdk.engine.portable.dense import FastDense
from caffe_sdk.engine.portable.elementwise import FastElementwise
from caffe_sdk.engine.portable.loss import FastLoss
from caffe_sdk.engine.portable.neuron import FastNeuron
from caffe_sdk.engine.portable.normalization import FastNormalization
from caffe_sdk.engine.portable.pooling import FastPooling
from caffe_sdk.engine.portable.update import FastUpdate
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import SyncedMemory
from caffe_sdk.threads import settle

log = logging.getLogger(__name__)


class PortableEngine(
    FastConvolution,
    FastDense,
    FastPooling,
    FastNormalization,
    FastAffine,
    FastNeuron,
    FastElementwise,
    FastLoss,
    FastUpdate,
    ReferenceEngine,
):
    """All operations on plain arrays of the host, those that take time by loops and BLAS."""

    name = "portable"

    def compile(
        self, calls: Sequence[Call], keep: Set[SyncedMemory] | None = None, after: Sequence[Program] = ()
    ) -> Program:
        """A program of the engine's operations, called one by one."""
        if not conditions.HAS_NUMBA:
            _say_that_numba_is_missing()
        return _SettledProgram(self, calls)


class _SettledProgram(EagerProgram):
    """Operations called one by one, with BLAS no busier than it may be."""

    def timed(self, clock: Clock = time.perf_counter) -> list[float]:
        settle()
        return super().timed(clock)


@functools.cache
def _say_that_numba_is_missing() -> None:
    """Once."""
    log.warning("computing slowly, with NumPy alone: Numba is not installed; pip install numba")
