"""The CUDA driver's C library: its functions as methods that raise DeviceErrors."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_ulonglong, c_void_p
from typing import Any

from caffe_sdk.engine.cuda.libraries import declare
from caffe_sdk.errors import DeviceError

OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
NOT_READY = 600  # CUDA_ERROR_NOT_READY
DISABLE_TIMING = 2  # CU_EVENT_DISABLE_TIMING
NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
PORTABLE, MAPPED = 1, 2 | 1  # CU_MEMHOSTALLOC_PORTABLE; with DEVICEMAP
RELEASE_THRESHOLD = 4  # CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
PROCESSORS, MAJOR, MINOR, POOLS = 16, 75, 76, 115  # CU_DEVICE_ATTRIBUTE_...

_out = POINTER(c_void_p)
_ints = POINTER(c_int)
_address = c_ulonglong  # CUdeviceptr
_addresses = POINTER(c_ulonglong)

PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (_ints,),
    "cuDeviceGetCount": (_ints,),
    "cuDeviceGet": (_ints, c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (_ints, c_int, c_int),
    "cuDevicePrimaryCtxRetain": (_out, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxPushCurrent_v2": (c_void_p,),
    "cuCtxPopCurrent_v2": (_out,),
    "cuDeviceGetDefaultMemPool": (_out, c_int),
    "cuMemPoolSetAttribute": (c_void_p, c_int, c_void_p),
    "cuMemPoolTrimTo": (c_void_p, c_size_t),
    "cuCtxSetCurrent": (c_void_p,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAllocAsync": (_addresses, c_size_t, c_void_p),
    "cuMemFreeAsync": (_address, c_void_p),
    "cuMemAlloc_v2": (_addresses, c_size_t),
    "cuMemFree_v2": (_address,),
    "cuMemHostAlloc": (_out, c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemHostGetDevicePointer_v2": (_addresses, c_void_p, c_uint),
    "cuMemcpyHtoDAsync_v2": (_address, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, _address, c_size_t, c_void_p),
    "cuMemcpyDtoDAsync_v2": (_address, _address, c_size_t, c_void_p),
    "cuMemcpyPeerAsync": (_address, c_void_p, _address, c_void_p, c_size_t, c_void_p),
    "cuMemsetD8Async": (_address, c_ubyte, c_size_t, c_void_p),
    "cuStreamCreate": (_out, c_uint),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamWaitEvent": (c_void_p, c_void_p, c_uint),
    "cuEventCreate": (_out, c_uint),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventQuery": (c_void_p,),
    "cuEventSynchronize": (c_void_p,),
    "cuEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
    "cuEventDestroy_v2": (c_void_p,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, _out),
    "cuGraphInstantiateWithFlags": (_out, c_void_p, c_ulonglong),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,),
    "cuModuleLoadData": (_out, c_void_p),
    "cuModuleGetFunction": (_out, c_void_p, c_char_p),
    "cuLaunchKernel": (c_void_p, *(c_uint,) * 7, c_void_p, _out, _out),
    "cuGetErrorName": (c_int, POINTER(c_char_p)),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
}
"""The functions used (cuda.h of CUDA 12 and 13). All return a CUresult, 0 for success."""


class DriverError(DeviceError):
    """What the driver answered; ``number`` is the CUresult."""

    def __init__(self, function: str, status: int, words: str, remedy: str = "") -> None:
        super().__init__("GPU", f"{function}: {words}", remedy or "see NVIDIA's list of CUDA errors")
        self.number = status


class Driver:
    """The driver, made ready. DeviceError where it says that it cannot be."""

    def __init__(self, library: ctypes.CDLL) -> None:
        declare(library, PROTOTYPES, "the NVIDIA driver")
        self._library = library
        self.call("cuInit", 0)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the driver's. DriverError for any status but success."""
        status = getattr(self._library, name)(*arguments)
        if status:
            raise DriverError(name, status, self._words(status))

    def made(self, name: str, *arguments: Any) -> c_void_p:
        """What a function makes, whose handle it stores at its first argument."""
        handle = c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle

    def number(self, name: str, *arguments: Any) -> int:
        """The int that a function stores at its first argument."""
        value = c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def address(self, name: str, *arguments: Any) -> int:
        """The address on the device that a function stores at its first argument."""
        value = c_ulonglong()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def passed(self, event: c_void_p) -> bool:
        """Whether all before an event is done."""
        status: int = self._library.cuEventQuery(event)
        if status not in (0, NOT_READY):
            raise DriverError("cuEventQuery", status, self._words(status))
        return status == 0

    def name_of(self, device: int) -> str:
        """A GPU's name, by its handle."""
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, len(name), device)
        return name.value.decode(errors="replace")

    @property
    def version(self) -> str:
        """The newest CUDA the driver knows."""
        number = self.number("cuDriverGetVersion")
        return f"{number // 1000}.{number % 1000 // 10}"

    def _words(self, status: int) -> str:
        name, text = c_char_p(), c_char_p()
        self._library.cuGetErrorName(status, ctypes.byref(name))
        self._library.cuGetErrorString(status, ctypes.byref(text))
        words = [part.value.decode() for part in (name, text) if part.value]
        return ", ".join(words) or f"error {status}"
