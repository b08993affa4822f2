"""A GPU: memory of the driver's pool, kernels compiled when first used, products by cuBLAS, all on one stream."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
from collections.abc import Callable, Sequence
from ctypes import c_int, c_size_t, c_ulonglong, c_void_p

from caffe_sdk.engine.cuda import compiler, driver, lanes, libraries
from caffe_sdk.engine.cuda.blas import WORKSPACE, Blas
from caffe_sdk.engine.cuda.device import Buffer, Device, Facts, Guard, Mark, Product, check_number, replayed
from caffe_sdk.engine.cuda.dnn import library as dnn_library
from caffe_sdk.engine.cuda.dnn.choices import Budget, Rules
from caffe_sdk.engine.cuda.dnn.contest import Contest, DnnContest, Judge, NoContest
from caffe_sdk.engine.cuda.dnn.convolution import DnnConvolution
from caffe_sdk.engine.cuda.dnn.convolver import Convolver, NoConvolver
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.driver import Driver, DriverError
from caffe_sdk.engine.cuda.formats import Format
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.engine.cuda.pinned import Copies
from caffe_sdk.engine.cuda.sources import Arguments, Kernel, fingerprint, source
from caffe_sdk.engine.cuda.turn import Event, Turn
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import Array

log = logging.getLogger(__name__)

WAVES = 32
"""Blocks of a launch at most, for each multiprocessor."""
EVERYTHING = 2**64 - 1
REPEATS = 10
"""How often a piece of work is done to be measured."""

Compile = Callable[[str, Format, int], bytes]
"""From a file of kernels, how values are stored and an architecture to what the driver loads."""


class GpuBuffer:
    """Memory of a GPU. ``filled`` is when what was sent to it last is there."""

    filled: Event | None = None

    def __init__(self, device: GpuDevice, pointer: int, nbytes: int) -> None:
        self._device, self.pointer, self.nbytes = device, pointer, nbytes

    def __del__(self) -> None:
        with contextlib.suppress(DeviceError):  # at the end of the process the driver may be gone before
            self._device.free(self.pointer, self.filled)


class GpuDevice:
    """One GPU, counted from 0. DeviceError where there is none of this number."""

    replays = True

    def __init__(
        self,
        number: int,
        cuda: Driver,
        blas: Callable[[], ctypes.CDLL] = lambda: libraries.load("cublas", compiler.VERSIONS, "multiplying matrices"),
        compile_family: Compile = lambda family, real, number: compiler.compiled(source(family, real), number),
        options: Options | None = None,
        dnn: Callable[[], ctypes.CDLL] = dnn_library.library,
    ) -> None:
        self.number, self._cuda, self._compile = number, cuda, compile_family
        self._device = handle(cuda, number)
        self._turn = Turn(cuda, cuda.made("cuDevicePrimaryCtxRetain", self._device))
        with self._turn:
            options = Options() if options is None else options
            self._begin(blas, options)
            self.dnn, self.contest = self._with_dnn(dnn, options)

    def _begin(self, blas: Callable[[], ctypes.CDLL], options: Options) -> None:
        cuda = self._cuda
        self._architecture = 10 * self._attribute(driver.MAJOR) + self._attribute(driver.MINOR)
        self.blocks = WAVES * self._attribute(driver.PROCESSORS)
        self._stream = cuda.made("cuStreamCreate", driver.NON_BLOCKING)
        self._pool = self._own_pool()
        self._guards: list[Guard] = []
        self._copying = cuda.made("cuStreamCreate", driver.NON_BLOCKING)
        self._copies = Copies(self._turn, options.pinned, self._guards)
        self._told = cuda.made("cuMemHostAlloc", 8, driver.MAPPED)
        self._words = (c_int * 2).from_address(self._told.value or 0)
        self._words[:] = [0, 0]
        self.faults = cuda.address("cuMemHostGetDevicePointer_v2", self._told, 0)
        self._functions: dict[Kernel, c_void_p] = {}
        self._modules: dict[tuple[str, Format], c_void_p] = {}
        self._workspace = self.allocate(WORKSPACE)
        self._blas = Blas(blas(), self._stream, self._workspace.pointer, options.tf32)

    # -- memory --------------------------------------------------------------------------------------------------------

    def allocate(self, nbytes: int) -> GpuBuffer:
        """Room for so many bytes. DeviceError with what is wanted and what is free where there is none."""
        with self._turn:
            try:
                return GpuBuffer(self, self._room(nbytes), nbytes)
            except DriverError as error:
                if error.number != driver.OUT_OF_MEMORY:
                    raise
            gc.collect()
            self.wait()
            if self._pool is not None:
                self._cuda.call("cuMemPoolTrimTo", self._pool, 0)
            try:
                return GpuBuffer(self, self._room(nbytes), nbytes)
            except DriverError as error:
                if error.number != driver.OUT_OF_MEMORY:
                    raise
            facts = self.facts()
            there = f"of {facts.memory:,} on GPU {self.number} ({facts.name}) {facts.free:,} are free"
            what = f"{nbytes:,} bytes cannot be had: {there}"
            raise DeviceError("memory", what, "use a smaller batch or input, or another GPU")

    def free(self, pointer: int, filled: Event | None = None) -> None:
        """Give memory back, after all that was asked for so far, and what was sent to it."""
        self._turn.later(lambda: self._free(pointer, filled))

    def _free(self, pointer: int, filled: Event | None) -> None:
        if self._pool is None:
            self._cuda.call("cuMemFree_v2", pointer)
            return
        if filled is not None:
            filled.hold(self._stream)
        self._cuda.call("cuMemFreeAsync", pointer, self._stream)

    def clear(self, pointer: int, nbytes: int) -> None:
        """Set bytes to 0."""
        if nbytes:
            with self._turn:
                self._cuda.call("cuMemsetD8Async", pointer, 0, nbytes, self._stream)

    def copy(self, source: int, target: int, nbytes: int) -> None:
        """Copy bytes on the device."""
        if nbytes and source != target:
            with self._turn:
                self._cuda.call("cuMemcpyDtoDAsync_v2", target, source, nbytes, self._stream)

    def upload(self, host: Array, pointer: int) -> None:
        """Bring an array there, when all that was asked for is done. Nobody waits for it here."""
        self._copies.up([host], pointer, self._stream)

    def download(self, pointer: int, host: Array) -> None:
        """Bring numbers to an array, when all that was asked for is done."""
        self._copies.down(pointer, host, self._stream)

    def fetch(self, other: Device, source: int, target: int, nbytes: int) -> bool:
        """Copy bytes from another GPU, when both have done all that was asked of them so far."""
        if not isinstance(other, GpuDevice):
            return False
        if nbytes:
            here, there = (self._turn, self._stream), (other._turn, other._stream)
            lanes.order(self._cuda, there, here)
            with self._turn:
                contexts = self._turn.context, other._turn.context
                self._cuda.call("cuMemcpyPeerAsync", target, contexts[0], source, contexts[1], nbytes, self._stream)
            lanes.order(self._cuda, here, there)
        return True

    # -- order ---------------------------------------------------------------------------------------------------------

    def mark(self, timed: bool = False) -> Event:
        """Where it stands: all that was asked for so far."""
        event = Event(self._turn, timed)
        event.record(self._stream)
        return event

    def send(self, arrays: Sequence[Array], buffer: Buffer, after: Mark) -> Event:
        """Bring arrays to a buffer by a stream that only copies, but not before a mark."""
        there = Event(self._turn)
        with self._turn:
            self._hold(self._copying, after)
        self._copies.up(arrays, buffer.pointer, self._copying)
        there.record(self._copying)
        if isinstance(buffer, GpuBuffer):
            buffer.filled = there
        return there

    def follow(self, mark: Mark) -> None:
        """Let what is asked for from now on come after a mark."""
        with self._turn:
            self._hold(self._stream, mark)

    def seconds(self, first: Mark, last: Mark) -> float:
        """Between two timed marks."""
        began, ended = (mark for mark in (first, last) if isinstance(mark, Event))
        return began.seconds_to(ended)

    @staticmethod
    def _hold(stream: c_void_p, mark: Mark) -> None:
        if isinstance(mark, Event):
            mark.hold(stream)

    # -- work ----------------------------------------------------------------------------------------------------------

    def launch(self, kernel: Kernel, blocks: int, threads: int, arguments: Arguments) -> None:
        """Run a kernel."""
        with self._turn:
            sizes = blocks, 1, 1, threads, 1, 1, 0
            self._cuda.call("cuLaunchKernel", self._function(kernel), *sizes, self._stream, arguments.addresses, None)

    def multiply(self, product: Product) -> None:
        """Compute a matrix product."""
        with self._turn:
            self._blas.multiply(product)

    def capture(self, work: Callable[[], None]) -> Graph:
        """Write down what ``work`` asks for as a graph."""
        with self._turn:
            self._cuda.call("cuStreamBeginCapture_v2", self._stream, driver.THREAD_LOCAL)
            self._turn.capturing = True
            graph = c_void_p()
            try:
                work()
            finally:
                try:
                    self._cuda.call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
                finally:
                    self._turn.captured()
            try:
                return Graph(self, self._cuda.made("cuGraphInstantiateWithFlags", graph, 0))
            finally:
                self._cuda.call("cuGraphDestroy", graph)

    def start(self, graph: c_void_p) -> None:
        """Launch a graph."""
        with self._turn:
            self._cuda.call("cuGraphLaunch", graph, self._stream)

    def drop(self, graph: c_void_p) -> None:
        """Give a graph back."""
        self._turn.later(lambda: self._cuda.call("cuGraphExecDestroy", graph))

    def wait(self) -> None:
        """Until everything asked for is done."""
        lanes.wait_for(self.mark(), self._guards)

    def lane(self) -> lanes.GpuLane:
        """A stream beside the GPU's own."""
        return lanes.GpuLane(self._cuda, self._turn, self._stream, self._guards)

    def look(self) -> tuple[int, float] | None:
        """What kernels told of so far, without waiting; forgotten then."""
        number, bits = self._words
        if not number:
            return None
        self.wait()
        self._words[:] = [0, 0]
        return number, ctypes.c_float.from_buffer(c_int(bits)).value

    def facts(self) -> Facts:
        """Things to know."""
        with self._turn:
            free, total = c_size_t(), c_size_t()
            self._cuda.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
            processors, memory = self._attribute(driver.PROCESSORS), (total.value, free.value)
            versions = self._cuda.version, self.dnn.version
            return Facts(self._name(), self.number, self._capability(), processors, *memory, *versions)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _with_dnn(self, library: Callable[[], ctypes.CDLL], options: Options) -> tuple[Convolver, Contest]:
        """What cuDNN computes, if it is here and wanted. DeviceError where it is not here and must be."""
        if options.cudnn is Cudnn.NEVER:
            return NoConvolver("CAFFE_CUDNN is 0"), NoContest()
        found = None
        try:
            found = library()
            return self._by_dnn(Dnn(found), options)
        except DeviceError as error:
            if options.cudnn.must_be_there:
                raise
            if found is not None:
                log.warning("convolving without cuDNN, which is slower: %s", error)
            return NoConvolver(str(error)), NoContest()

    def _by_dnn(self, dnn: Dnn, options: Options) -> tuple[Convolver, Contest]:
        handle = dnn.made("cudnnCreate")
        dnn.call("cudnnSetStream", handle, self._stream)
        rules, budget = Rules(options.tf32, options.deterministic, options.workspace), Budget(options.cudnn_search)
        kind = f"{self._name()} {self._capability()}"
        convolver = DnnConvolution(dnn, handle, self._turn, kind, rules, budget, self._captures)
        if options.cudnn not in (Cudnn.ALL, Cudnn.SEARCH):
            return convolver, NoContest()
        judge = Judge(f"{kind} {fingerprint()}", budget, self.allocate, self._seconds_of, self._captures)
        return convolver, DnnContest(dnn, handle, self._turn, judge if options.cudnn is Cudnn.SEARCH else None)

    def _captures(self) -> bool:
        return self._turn.capturing

    def _seconds_of(self, work: Callable[[], None]) -> float:
        """What a piece of work takes, done some times."""
        return replayed(self, work, REPEATS)

    def _name(self) -> str:
        return self._cuda.name_of(self._device)

    def _capability(self) -> str:
        return f"{self._architecture // 10}.{self._architecture % 10}"

    def _attribute(self, number: int) -> int:
        return self._cuda.number("cuDeviceGetAttribute", number, self._device)

    def _own_pool(self) -> c_void_p | None:
        """The driver's pool, which keeps what is given back; None where the GPU has none."""
        if not self._attribute(driver.POOLS):
            return None
        pool = self._cuda.made("cuDeviceGetDefaultMemPool", self._device)
        self._cuda.call("cuMemPoolSetAttribute", pool, driver.RELEASE_THRESHOLD, ctypes.byref(c_ulonglong(EVERYTHING)))
        return pool

    def _room(self, nbytes: int) -> int:
        if self._pool is None:
            return self._cuda.address("cuMemAlloc_v2", max(1, nbytes))
        return self._cuda.address("cuMemAllocAsync", max(1, nbytes), self._stream)

    def _function(self, kernel: Kernel) -> c_void_p:
        function = self._functions.get(kernel)
        if function is None:
            unit = kernel.family, kernel.real
            module = self._modules.get(unit)
            if module is None:
                image = ctypes.create_string_buffer(self._compile(*unit, self._architecture))
                module = self._modules[unit] = self._cuda.made("cuModuleLoadData", image)
            function = self._functions[kernel] = self._cuda.made("cuModuleGetFunction", module, kernel.name.encode())
        return function


class Graph:
    """Work that was captured."""

    def __init__(self, device: GpuDevice, handle: c_void_p) -> None:
        self._device, self._handle = device, handle

    def launch(self) -> None:
        """Do it."""
        self._device.start(self._handle)

    def __del__(self) -> None:
        with contextlib.suppress(DeviceError):
            self._device.drop(self._handle)


def handle(cuda: Driver, number: int) -> int:
    """The driver's handle of a GPU. DeviceError where there is none of this number."""
    try:
        count = cuda.number("cuDeviceGetCount")
    except DriverError:
        count = 0
    check_number(number, count)
    return cuda.number("cuDeviceGet", number)
