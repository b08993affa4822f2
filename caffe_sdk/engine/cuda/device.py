"""What the engine asks of a device: memory, kernels, matrix products, and things to know about it.

Two kinds there are: a GPU (`gpu`) and the simulated device of the tests (`simulated`), which compiles the same
kernels for the processor. Everything but
`send` is done in the order it was asked for; only `download`, `wait` and `seconds` wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from ctypes import c_void_p
from dataclasses import dataclass
from typing import Protocol

from caffe_sdk.engine.cuda.dnn.contest import Contest
from caffe_sdk.engine.cuda.dnn.convolver import Convolver
from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.sources import Arguments, Kernel
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import Array

THREADS = 256
"""In a block."""


class Buffer(Protocol):
    """Bytes on a device, given back when nobody refers to it any more."""

    pointer: int
    nbytes: int


class Mark(Protocol):
    """A point in what a device is asked for, which it passes when all before is done."""


@dataclass(frozen=True)
class Product:
    """C = alpha A B + beta C for row-major matrices, A (m, k) or transposed (k, m), B (k, n) or (n, k), C (m, n).

    ``batch`` such products are computed, their matrices so many values apart. A and B are stored in one format, C in
    the same or in float32; sums are made in float32.
    """

    m: int
    n: int
    k: int
    a: int
    b: int
    c: int
    a_transposed: bool = False
    b_transposed: bool = False
    beta: float = 0.0
    batch: int = 1
    a_step: int = 0
    b_step: int = 0
    c_step: int = 0
    alpha: float = 1.0
    factors: Format = FLOAT32
    result: Format = FLOAT32


@dataclass(frozen=True)
class Facts:
    """Things to know about a device."""

    name: str
    number: int
    capability: str
    """Compute capability, e.g. '9.0'."""
    processors: int
    """Multiprocessors."""
    memory: int
    """Bytes."""
    free: int
    """Bytes, now."""
    driver: str
    """The newest CUDA that the driver knows, e.g. '12.4'."""
    cudnn: str
    """The version of cuDNN, e.g. '9.10.2', or why it is not used."""


class Replay(Protocol):
    """A run of launches that can be made again at once."""

    def launch(self) -> None:
        """Make them all, with the pointers and numbers they had."""


Guard = Callable[[], Callable[[], None] | None]
"""What gives a function to call, as long as there is one: a weak reference to a method."""


class Lane(Protocol):
    """A way beside a device's own work, for what goes on while it computes."""

    @property
    def stream(self) -> c_void_p | None:
        """Its handle, for libraries; None where the device has no streams."""

    def turn(self) -> AbstractContextManager[None]:
        """The calling thread's turn with the device."""

    def begin(self) -> None:
        """Let what is put on the lane from now on come after all that the device was asked for so far."""

    def end(self) -> None:
        """Let what the device is asked for from now on come after all that is on the lane."""

    def guard(self, guard: Guard) -> None:
        """Call its function now and then while somebody waits for the device."""


class Device(Protocol):
    """See above. Pointers are addresses on the device; errors are DeviceErrors."""

    number: int
    faults: int
    """The address of two ints, 0 at first, where kernels tell of what is wrong."""
    blocks: int
    """That a launch has at most: enough to keep the device busy; threads go on with what is left."""
    replays: bool
    """Whether `capture` makes something that runs faster than the launches one by one."""

    dnn: Convolver
    """Who may be asked to convolve."""
    contest: Contest
    """Who may be asked to compute what kernels of our own could too."""

    def allocate(self, nbytes: int) -> Buffer:
        """Room for so many bytes, at least one; its address is not 0."""

    def clear(self, pointer: int, nbytes: int) -> None:
        """Set bytes to 0."""

    def copy(self, source: int, target: int, nbytes: int) -> None:
        """Copy bytes on the device."""

    def upload(self, host: Array, pointer: int) -> None:
        """Bring an array of the host's to the device. The array may be changed when this returns."""

    def download(self, pointer: int, host: Array) -> None:
        """Bring numbers to an array of the host's."""

    def fetch(self, other: Device, source: int, target: int, nbytes: int) -> bool:
        """Copy bytes from another device; False where there is no way but by the host."""

    def mark(self, timed: bool = False) -> Mark:
        """The point where it stands: all that was asked for so far. Only timed ones tell times."""

    def send(self, arrays: Sequence[Array], buffer: Buffer, after: Mark) -> Mark:
        """Bring arrays to a buffer, one behind the other, beside all else the device does, but not before ``after``.

        They may be changed when this returns. The mark is of their arrival.
        """

    def follow(self, mark: Mark) -> None:
        """Let all that is asked for from now on come after a mark. Nobody waits here."""

    def seconds(self, first: Mark, last: Mark) -> float:
        """From one timed mark to another, which is waited for."""

    def launch(self, kernel: Kernel, blocks: int, threads: int, arguments: Arguments) -> None:
        """Run a kernel."""

    def multiply(self, product: Product) -> None:
        """Compute a matrix product."""

    def capture(self, work: Callable[[], None]) -> Replay:
        """Write down what ``work`` asks for instead of doing it. It may not allocate, upload or download."""

    def lane(self) -> Lane:
        """A new lane."""

    def wait(self) -> None:
        """Until everything asked for is done."""

    def look(self) -> tuple[int, float] | None:
        """What kernels told of so far, without waiting: the number of the check and the value; forgotten then."""

    def facts(self) -> Facts:
        """Things to know."""


def replayed(device: Device, work: Callable[[], None], repeats: int) -> float:
    """The seconds that a piece of work takes, done so many times without the host between: as in a program's replay."""

    def repeated() -> None:
        for _ in range(repeats):
            work()

    replay = device.capture(repeated)
    replay.launch()
    first = device.mark(timed=True)
    replay.launch()
    return device.seconds(first, device.mark(timed=True)) / repeats


def check_number(number: int, count: int) -> None:
    """DeviceError, with what there is, where there is no GPU of this number among so many."""
    if not 0 <= number < count:
        several = f"there are {count} GPUs, 0 to {count - 1}"
        there = several if count > 1 else "there is 1 GPU, number 0" if count else "there is no GPU"
        raise DeviceError("GPU", f"GPU {number} was asked for, and {there}", "choose another, or use set_mode_cpu()")
