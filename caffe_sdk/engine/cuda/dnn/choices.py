"""Which of cuDNN's algorithms may compute a convolution, the quickest first; what was measured is kept in a file."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from caffe_sdk.engine import user_cache
from caffe_sdk.engine.cuda.dnn.descriptors import Math
from caffe_sdk.engine.cuda.dnn.shapes import DataType

MOST = 64
"""Results asked for: more than there are algorithms and maths."""
DETERMINISTIC = 1  # cudnnDeterminism_t


class Performance(ctypes.Structure):
    """What cuDNN tells of an algorithm (cudnnConvolutionFwdAlgoPerf_t, and its twins for the gradients)."""

    _fields_ = [
        ("algorithm", ctypes.c_int),
        ("status", ctypes.c_int),
        ("time", ctypes.c_float),
        ("memory", ctypes.c_size_t),
        ("determinism", ctypes.c_int),
        ("math", ctypes.c_int),
        ("reserved", ctypes.c_int * 3),
    ]


@dataclass(frozen=True)
class Choice:
    """An algorithm, and by what it makes products."""

    algorithm: int
    math: Math


@dataclass(frozen=True)
class Rules:
    """What an algorithm must keep to."""

    tf32: bool
    """Whether float32 may be multiplied with 10 bits of mantissa."""
    deterministic: bool
    """Whether sums must be made in the same order always."""
    workspace: int
    """Bytes it may take, at most."""

    def asked(self, data_type: DataType) -> Math:
        """The math cuDNN is asked for."""
        if data_type is not DataType.FLOAT:
            return Math.TENSOR_OP
        return Math.DEFAULT if self.tf32 else Math.FMA

    def math(self, data_type: DataType, said: int) -> Math | None:
        """The math to compute with where cuDNN says this one; None where it rounds more than it may."""
        if data_type is DataType.FLOAT and not self.tf32:
            return Math.FMA if said in (Math.DEFAULT, Math.FMA) else None
        return Math(said) if said in (Math.DEFAULT, Math.TENSOR_OP, Math.FMA) else None

    def allowed(self, found: Iterable[Performance], data_type: DataType) -> list[Choice]:
        """Those of cuDNN's results that may be used, in their order, each once."""
        choices: dict[Choice, None] = {}
        for one in found:
            math = self.math(data_type, one.math)
            orderly = one.determinism == DETERMINISTIC or not self.deterministic
            if math is not None and orderly and not one.status and one.memory <= self.workspace:
                choices[Choice(one.algorithm, math)] = None
        return list(choices)


class Budget:
    """Seconds that a process may spend on measuring. ``left`` are those that it still may."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    @contextlib.contextmanager
    def spent(self) -> Iterator[None]:
        """What a with block takes is no longer left."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.left -= time.monotonic() - began


@dataclass(frozen=True)
class Kept:
    """A file of what was measured, for one convolution or other job on one kind of GPU."""

    path: Path

    @classmethod
    def of(cls, *what: object) -> Kept:
        """Named after all that was measured, and on what."""
        name = hashlib.sha256(repr(what).encode()).hexdigest()[:32]
        return cls(user_cache.folder("cudnn") / f"{name}.json")

    def read(self) -> list[Choice]:
        """What was kept; nothing where there is no file, or one that somebody else wrote."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            return [Choice(int(algorithm), Math(math)) for algorithm, math in json.loads(self.path.read_bytes())]
        return []

    def write(self, choices: Iterable[Choice]) -> None:
        """Keep some."""
        self._keep([[one.algorithm, int(one.math)] for one in choices])

    def read_quicker(self) -> bool | None:
        """Whether cuDNN was quicker than our own kernels; None where that was not measured."""
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
            quicker = json.loads(self.path.read_bytes())["quicker"]
            return quicker if isinstance(quicker, bool) else None
        return None

    def write_quicker(self, quicker: bool) -> None:
        """Keep that."""
        self._keep({"quicker": quicker})

    def _keep(self, found: object) -> None:
        user_cache.keep(self.path, json.dumps(found).encode())
