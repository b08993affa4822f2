"""NCCL: one rank's end of an exchange between GPUs, through ctypes.

All ranks make the same calls in the same order, and all get the same bits. What is exchanged goes its way beside what
the device computes; `Communicator.join` says where the two come together.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_void_p
from typing import Any

from caffe_sdk.engine.cuda import libraries
from caffe_sdk.engine.cuda.device import Lane
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.errors import DeviceError

OLDEST = 21000
"""2.10, which computes means."""
MEAN = 4  # ncclAvg
BYTES, FLOATS = 0, 7  # ncclInt8, ncclFloat32
IN_PROGRESS = 7  # ncclInProgress
UID_BYTES = 128
REMEDY = "pip install 'caffe-sdk[nccl]' for CUDA 12, 'caffe-sdk[nccl13]' for CUDA 13"


class UniqueId(ctypes.Structure):
    """What ranks find each other by (ncclUniqueId)."""

    _fields_ = [("internal", ctypes.c_byte * UID_BYTES)]


PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "ncclGetVersion": (POINTER(c_int),),
    "ncclGetUniqueId": (POINTER(UniqueId),),
    "ncclCommInitRank": (POINTER(c_void_p), c_int, UniqueId, c_int),
    "ncclCommDestroy": (c_void_p,),
    "ncclCommAbort": (c_void_p,),
    "ncclCommGetAsyncError": (c_void_p, POINTER(c_int)),
    "ncclAllReduce": (c_void_p, c_void_p, c_size_t, c_int, c_int, c_void_p, c_void_p),
    "ncclBroadcast": (c_void_p, c_void_p, c_size_t, c_int, c_int, c_void_p, c_void_p),
    "ncclGroupStart": (),
    "ncclGroupEnd": (),
}
"""The functions used (nccl.h, 2.10 and later). All return an ncclResult_t, 0 for success."""

Piece = tuple[int, int]
"""Numbers on a device: their address, and how many float32 there are."""


class Nccl:
    """The library. DeviceError for one that is too old."""

    def __init__(self, library: ctypes.CDLL) -> None:
        libraries.declare(library, PROTOTYPES, "NCCL")
        library.ncclGetErrorString.restype = c_char_p
        self._library = library
        number = c_int()
        self.call("ncclGetVersion", ctypes.byref(number))
        self.version = f"{number.value // 10000}.{number.value % 10000 // 100}.{number.value % 100}"
        if number.value < OLDEST:
            raise DeviceError("NCCL", f"version {self.version} is too old", "update it to 2.10 or later")

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function. DeviceError for any result but success."""
        status = getattr(self._library, name)(*arguments)
        if status:
            raise self.error(name, status)

    def error(self, name: str, status: int) -> DeviceError:
        """What a result says, with the library's last words where it has any."""
        words = str(self._library.ncclGetErrorString(status).decode())
        if hasattr(self._library, "ncclGetLastError"):
            self._library.ncclGetLastError.restype = c_char_p
            last = self._library.ncclGetLastError(None)
            words += f": {last.decode(errors='replace').strip()}" if last else ""
        return DeviceError("NCCL", f"{name}: {words}", "NCCL_DEBUG=INFO tells more; go on from the last snapshot")

    def new_uid(self) -> bytes:
        """An identifier by which ranks find each other: one of them makes it, and all get it. 128 bytes."""
        uid = UniqueId()
        self.call("ncclGetUniqueId", ctypes.byref(uid))
        return bytes(uid)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is asked for inside a with block begins when it ends, as one."""
        self.call("ncclGroupStart")
        try:
            yield
        finally:
            self.call("ncclGroupEnd")


@functools.cache
def library(path: str = "") -> Nccl:
    """NCCL from a path, else wherever it is. DeviceError where there is none, or for the path 0, which means none."""
    if path == "0":
        raise DeviceError("NCCL", "CAFFE_NCCL=0 says not to use it", "unset it")
    try:
        return Nccl(ctypes.CDLL(path) if path else libraries.load("nccl", (2,), "exchanging gradients"))
    except (OSError, DeviceError) as error:
        what = error.what if isinstance(error, DeviceError) else f"CAFFE_NCCL names no library: {error}"
        raise DeviceError("NCCL", what, REMEDY) from None


def wanted() -> Nccl:
    """The library that the options name. DeviceError where there is none."""
    return library(Options().nccl)


class Communicator:
    """The end of one of ``size`` ranks; made when all have come. DeviceError when the others cannot be reached."""

    def __init__(self, nccl: Nccl, lane: Lane, uid: bytes, rank: int, size: int) -> None:
        self._nccl, self._lane = nccl, lane
        self._handle: c_void_p | None = None
        handle = c_void_p()
        with lane.turn():
            nccl.call("ncclCommInitRank", ctypes.byref(handle), size, UniqueId.from_buffer_copy(uid), rank)
        self._handle = handle
        lane.guard(weakref.WeakMethod(self.check))

    def average(self, pieces: Sequence[Piece]) -> None:
        """Begin to put the mean over the ranks in each piece's place."""
        self._lane.begin()
        with self._lane.turn(), self._nccl.together():
            for address, count in pieces:
                ends = address, address, count, FLOATS, MEAN
                self._nccl.call("ncclAllReduce", *ends, self._open(), self._lane.stream)

    def copy_first(self, pieces: Sequence[Piece]) -> None:
        """Begin to give all ranks the numbers of rank 0."""
        self._lane.begin()
        with self._lane.turn(), self._nccl.together():
            for address, count in pieces:
                ends = address, address, 4 * count, BYTES, 0
                self._nccl.call("ncclBroadcast", *ends, self._open(), self._lane.stream)

    def join(self) -> None:
        """Let what the device is asked for from now on come after all that was begun."""
        self._lane.end()

    def check(self) -> None:
        """Nothing while all is well. When another rank is gone, the exchange is ended; DeviceError."""
        if self._handle is None:
            return
        status = c_int()
        self._nccl.call("ncclCommGetAsyncError", self._handle, ctypes.byref(status))
        if status.value not in (0, IN_PROGRESS):
            error = self._nccl.error("a rank is gone", status.value)
            self.abort()
            raise error

    def abort(self) -> None:
        """End what is under way, whatever the others do."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._nccl.call("ncclCommAbort", handle)

    def close(self) -> None:
        """Part in peace: all ranks do, after the last exchange."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with self._lane.turn():
                self._nccl.call("ncclCommDestroy", handle)

    def _open(self) -> c_void_p:
        if self._handle is None:
            raise DeviceError("NCCL", "the exchange with the other ranks was ended", "go on from the last snapshot")
        return self._handle
