"""A GPU that is none: the kernels, compiled for the processor by a C++ compiler, on buffers full of NaN until written.

A computer without a GPU proves with it what the engine computes, kernel by kernel, and how often numbers move.
``CAFFE_ENGINE=simulated`` computes with it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import shutil
import subprocess
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided

from caffe_sdk.engine import user_cache
from caffe_sdk.engine.cuda.device import Buffer, Device, Facts, Mark, Product, Replay
from caffe_sdk.engine.cuda.dnn.contest import Contest, NoContest
from caffe_sdk.engine.cuda.dnn.convolver import Convolver, NoConvolver
from caffe_sdk.engine.cuda.engine import CudaEngine
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16, FLOAT32, Format, named
from caffe_sdk.engine.cuda.lanes import InOrder
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.sources import FOLDER, Arguments, Kernel, kernels, source
from caffe_sdk.engine.naming import Name
from caffe_sdk.errors import DeviceError, InternalError
from caffe_sdk.memory import Array, aligned

THREADS = 2
COOPERATING = 64
"""Threads of a block, where they work alone and where they work together: two warps."""
OPTIONS = ("-O1", "-std=c++14", "-shared", "-fPIC", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-w")


_one_kernel = threading.Lock()
"""Held while a kernel runs: what stands for the GPU's registers is there once."""
_buffers: weakref.WeakSet[SimulatedBuffer] = weakref.WeakSet()


def used() -> int:
    """Bytes of all buffers there are, on all simulated devices."""
    return sum(buffer.nbytes for buffer in _buffers)


class SimulatedBuffer:
    """Host memory that stands for a device's; NaN in every format, or a very large int, until written."""

    def __init__(self, nbytes: int) -> None:
        self._array = aligned(max(1, -(-nbytes // 4)), np.int32)
        self._array[...] = 0x7FFF7FFF
        self.pointer, self.nbytes = self._array.ctypes.data, nbytes
        _buffers.add(self)


@dataclass(frozen=True)
class SimulatedMark:
    """When it was made, in seconds."""

    at: float


class SimulatedDevice:
    """Everything is done at once. ``launches`` counts kernels by their names; ``limit`` is what memory there is."""

    replays = True
    blocks = 3

    def __init__(self, number: int = 0, limit: int = 1 << 40) -> None:
        self.number, self.limit = number, limit
        self.dnn: Convolver = NoConvolver("a simulation")
        self.contest: Contest = NoContest()
        self.launches: Counter[str] = Counter()
        self._told = np.zeros(2, np.int32)
        self.faults = self._told.ctypes.data
        self._captured: list[Callable[[], None]] | None = None
        self._capturing = 0

    def allocate(self, nbytes: int) -> SimulatedBuffer:
        """Room for so many bytes. DeviceError beyond the limit."""
        self._refuse_while_capturing("allocate")
        if nbytes > self.limit:
            raise DeviceError("memory", f"{nbytes:,} bytes cannot be had", "use a smaller batch or input")
        return SimulatedBuffer(nbytes)

    def clear(self, pointer: int, nbytes: int) -> None:
        """Set bytes to 0."""
        self._do(lambda: ctypes.memset(pointer, 0, nbytes))

    def copy(self, source: int, target: int, nbytes: int) -> None:
        """Copy bytes on the device."""
        self._do(lambda: ctypes.memmove(target, source, nbytes))

    def upload(self, host: Array, pointer: int) -> None:
        """Bring an array of the host's to the device."""
        self._refuse_while_capturing("upload")
        ctypes.memmove(pointer, host.ctypes.data, host.nbytes)

    def download(self, pointer: int, host: Array) -> None:
        """Bring numbers to an array of the host's."""
        self._refuse_while_capturing("download")
        ctypes.memmove(host.ctypes.data, pointer, host.nbytes)

    def fetch(self, other: Device, source: int, target: int, nbytes: int) -> bool:
        """Copy bytes from another simulated device."""
        self._refuse_while_capturing("fetch")
        if not isinstance(other, SimulatedDevice):
            return False
        ctypes.memmove(target, source, nbytes)
        return True

    def mark(self, timed: bool = False) -> SimulatedMark:
        """What is done already."""
        return SimulatedMark(time.perf_counter())

    def send(self, arrays: Sequence[Array], buffer: Buffer, after: Mark) -> SimulatedMark:
        """Bring arrays to a buffer. They are there at once."""
        at = 0
        for array in arrays:
            whole = np.ascontiguousarray(array)
            ctypes.memmove(buffer.pointer + at, whole.ctypes.data, whole.nbytes)
            at += whole.nbytes
        return self.mark()

    def follow(self, mark: Mark) -> None:
        """Nothing: all is done."""

    def seconds(self, first: Mark, last: Mark) -> float:
        """Between two marks."""
        began, ended = (mark.at for mark in (first, last) if isinstance(mark, SimulatedMark))
        return ended - began

    def launch(self, kernel: Kernel, blocks: int, threads: int, arguments: Arguments) -> None:
        """Run a kernel, by fewer threads of a block than asked for: each has more to do."""
        self._do(lambda: self._run(kernel, blocks, arguments))

    def multiply(self, product: Product) -> None:
        """Compute a matrix product."""
        self._do(lambda: _multiply(product))

    def capture(self, work: Callable[[], None]) -> Replay:
        """Write down what ``work`` asks for instead of doing it."""
        self._captured, self._capturing = [], threading.get_ident()
        try:
            work()
            return _Replay(self._captured)
        finally:
            self._captured = None

    def lane(self) -> InOrder:
        """Nothing goes on beside."""
        return InOrder()

    def wait(self) -> None:
        """Nothing is left to do."""

    def look(self) -> tuple[int, float] | None:
        """What kernels told of so far; forgotten then."""
        if not self._told[0]:
            return None
        number, value = int(self._told[0]), float(self._told.view(np.float32)[1])
        self._told[...] = 0
        return number, value

    def facts(self) -> Facts:
        """Things to know."""
        return Facts("simulated device", self.number, "0.0", 1, self.limit, self.limit, "none", self.dnn.version)

    def _do(self, work: Callable[[], object]) -> None:
        if self._captured is None:
            work()
        else:
            self._captured.append(lambda: (work(), None)[1])

    def _refuse_while_capturing(self, what: str) -> None:
        if self._captured is not None and self._capturing == threading.get_ident():
            raise InternalError("capture", f"a device may not {what} while its work is written down")

    def _run(self, kernel: Kernel, blocks: int, arguments: Arguments) -> None:
        library = _library(kernel.family, kernel.real)
        self.launches[kernel.name] += 1
        threads = COOPERATING if kernel.cooperative else THREADS
        entry = ctypes.cast(getattr(library, f"call_{kernel.name}"), ctypes.c_void_p)
        with _one_kernel:
            wrong = library.simulated_launch(entry, kernel.cooperative, blocks, threads, arguments.addresses)
        if wrong:
            raise InternalError(kernel.name, "threads of a block wait at different barriers")


def made(number: int, precision: str = "") -> CudaEngine:
    """An engine on a new device, of a precision or that of CAFFE_PRECISION."""
    options = Options()
    if precision:
        options = replace(options, precision=named(precision, "CAFFE_ENGINE"))
    return CudaEngine(SimulatedDevice(number), str(Name("simulated", number, precision)), options)


class _Replay:
    """Work that was written down."""

    def __init__(self, work: list[Callable[[], None]]) -> None:
        self._work = work

    def launch(self) -> None:
        """Do it."""
        for do in self._work:
            do()


def _multiply(p: Product) -> None:
    a = _numbers(p.factors, _matrices(p.factors, p.a, (p.k, p.m) if p.a_transposed else (p.m, p.k), p.batch, p.a_step))
    b = _numbers(p.factors, _matrices(p.factors, p.b, (p.n, p.k) if p.b_transposed else (p.k, p.n), p.batch, p.b_step))
    c = _matrices(p.result, p.c, (p.m, p.n), p.batch, p.c_step)
    with np.errstate(all="ignore"):
        result = (a.swapaxes(1, 2) if p.a_transposed else a) @ (b.swapaxes(1, 2) if p.b_transposed else b)
        if p.alpha != 1:
            result *= np.float32(p.alpha)
        c[...] = _stored(p.result, result if not p.beta else result + np.float32(p.beta) * _numbers(p.result, c))


def _matrices(stored: Format, pointer: int, shape: tuple[int, int], batch: int, step: int) -> Array:
    """A view of matrices at an address, of bits where they are bfloat16."""
    size, count = stored.nbytes, (batch - 1) * step + shape[0] * shape[1]
    kind = {FLOAT32: np.float32, FLOAT16: np.float16}.get(stored, np.uint16)
    flat = np.ctypeslib.as_array((ctypes.c_ubyte * (count * size)).from_address(pointer)).view(kind)
    return as_strided(flat, (batch, *shape), (step * size, shape[1] * size, size))


def _numbers(stored: Format, array: Array) -> Array:
    """What is stored, as float32."""
    if stored == BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32, copy=False)


def _stored(stored: Format, numbers: Array) -> Array:
    """float32 as it is stored, rounded to the nearest, of two equally near to the even one."""
    if stored != BFLOAT16:
        return numbers
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(numbers), 0x7FFF, rounded).astype(np.uint16)


@functools.cache
def _library(family: str, real: Format) -> ctypes.CDLL:
    return ctypes.CDLL(str(library_file(family, real)))


def library_file(family: str, real: Format = FLOAT32) -> Path:
    """A .cu file's kernels for the processor, compiled when its text is new."""
    header = (FOLDER / "simulated.h").read_text(encoding="utf-8")
    entries = "".join(
        f"ENTRY({kernel.name}, {int(kernel.cooperative)})\n" for kernel in kernels().values() if kernel.family == family
    )
    text = header + source(family, real) + entries
    name = hashlib.sha256(" ".join((text, *OPTIONS)).encode()).hexdigest()[:24]
    folder = user_cache.folder("simulated")
    path = folder / f"{family}-{name}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        compile_library(text, path)
    return path


def compile_library(text: str, path: Path) -> None:
    """A shared library of C++ text. It appears whole or not at all, for other processes may wait for it too."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise DeviceError("simulated device", "there is no C++ compiler", "install g++")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [compiler, *OPTIONS, "-x", "c++", "-", "-o", str(made)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InternalError("simulated device", f"{path.stem} does not compile:\n{done.stderr}")
        made.replace(path)
