"""oneDNN's C library: where it is, how it is called, and how its threads are told how many they are.

The pip package ``onednn-cpu-gomp`` brings ``libdnnl.so`` for Linux on x86-64. It is loaded when somebody first
computes, never at import. Its threads are those of GNU OpenMP, which knows three traps, all met here:

* the number of threads is a setting of each thread that calls, so `prepare` sets it in whatever thread runs;
* a primitive keeps the number of threads it was made for, so changing the number makes a new *generation*, and what was
  made for an older one is made anew;
* a forked child that starts a parallel region hangs, because the pool's threads stayed in the parent: `threads` gives
  the child one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from ctypes import POINTER, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any

from caffe_sdk.errors import DeviceError
from caffe_sdk.threads import generation, num_threads, settle

PACKAGE = "onednn-cpu-gomp"
REMEDY = f"pip install {PACKAGE}==2023.2.0 (Linux on x86-64)"
OPENMP = "libgomp.so.1"
OPENMP_REMEDY = "install GNU OpenMP's library: apt-get install libgomp1, or dnf install libgomp"

CPU = 1  # dnnl_cpu, an engine's kind
IN_ORDER = 1  # dnnl_stream_in_order
INVALID_ARGUMENTS, UNIMPLEMENTED = 2, 3  # statuses
SPINS = "10000"
MAX_AXES = 12  # DNNL_MAX_NDIMS

_Sizes = c_int64 * MAX_AXES
_dims = POINTER(c_int64)
_out = POINTER(c_void_p)
_ptr = c_void_p

PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "dnnl_engine_create": (_out, c_int, c_size_t),
    "dnnl_stream_create": (_out, _ptr, c_uint),
    "dnnl_memory_desc_create_with_tag": (_out, c_int, _dims, c_int, c_int),
    "dnnl_memory_desc_create_with_strides": (_out, c_int, _dims, c_int, _dims),
    "dnnl_memory_desc_create_with_string_tag": (_out, c_int, _dims, c_int, c_char_p),
    "dnnl_memory_desc_create_submemory": (_out, _ptr, _dims, _dims),
    "dnnl_memory_desc_clone": (_out, _ptr),
    "dnnl_memory_desc_destroy": (_ptr,),
    "dnnl_memory_desc_query": (_ptr, c_int, _ptr),
    "dnnl_memory_create": (_out, _ptr, _ptr, _ptr),
    "dnnl_memory_set_data_handle": (_ptr, _ptr),
    "dnnl_memory_destroy": (_ptr,),
    "dnnl_primitive_attr_create": (_out,),
    "dnnl_primitive_attr_destroy": (_ptr,),
    "dnnl_primitive_attr_set_scratchpad_mode": (_ptr, c_int),
    "dnnl_primitive_attr_set_post_ops": (_ptr, _ptr),
    "dnnl_post_ops_create": (_out,),
    "dnnl_post_ops_destroy": (_ptr,),
    "dnnl_post_ops_append_eltwise": (_ptr, c_int, c_float, c_float),
    "dnnl_post_ops_append_binary": (_ptr, c_int, _ptr),
    "dnnl_primitive_desc_query": (_ptr, c_int, c_int, _ptr),
    "dnnl_primitive_desc_destroy": (_ptr,),
    "dnnl_primitive_create": (_out, _ptr),
    "dnnl_primitive_destroy": (_ptr,),
    "dnnl_primitive_execute": (_ptr, _ptr, c_int, _ptr),
    "dnnl_reorder_primitive_desc_create": (_out, _ptr, _ptr, _ptr, _ptr, _ptr),
    "dnnl_convolution_forward_primitive_desc_create": (
        *(_out, _ptr, c_int, c_int, _ptr, _ptr, _ptr, _ptr, _dims, _dims, _dims, _dims, _ptr),
    ),
    "dnnl_convolution_backward_data_primitive_desc_create": (
        *(_out, _ptr, c_int, _ptr, _ptr, _ptr, _dims, _dims, _dims, _dims, _ptr, _ptr),
    ),
    "dnnl_convolution_backward_weights_primitive_desc_create": (
        *(_out, _ptr, c_int, _ptr, _ptr, _ptr, _ptr, _dims, _dims, _dims, _dims, _ptr, _ptr),
    ),
    "dnnl_inner_product_forward_primitive_desc_create": (_out, _ptr, c_int, _ptr, _ptr, _ptr, _ptr, _ptr),
    "dnnl_inner_product_backward_data_primitive_desc_create": (_out, _ptr, _ptr, _ptr, _ptr, _ptr, _ptr),
    "dnnl_inner_product_backward_weights_primitive_desc_create": (_out, _ptr, _ptr, _ptr, _ptr, _ptr, _ptr, _ptr),
    "dnnl_pooling_forward_primitive_desc_create": (
        *(_out, _ptr, c_int, c_int, _ptr, _ptr, _dims, _dims, _dims, _dims, _dims, _ptr),
    ),
    "dnnl_pooling_backward_primitive_desc_create": (
        *(_out, _ptr, c_int, _ptr, _ptr, _dims, _dims, _dims, _dims, _dims, _ptr, _ptr),
    ),
    "dnnl_eltwise_forward_primitive_desc_create": (_out, _ptr, c_int, c_int, _ptr, _ptr, c_float, c_float, _ptr),
    "dnnl_eltwise_backward_primitive_desc_create": (
        *(_out, _ptr, c_int, _ptr, _ptr, _ptr, c_float, c_float, _ptr, _ptr),
    ),
    "dnnl_softmax_forward_primitive_desc_create": (_out, _ptr, c_int, c_int, _ptr, _ptr, c_int, _ptr),
    "dnnl_softmax_backward_primitive_desc_create": (_out, _ptr, c_int, _ptr, _ptr, _ptr, c_int, _ptr, _ptr),
    "dnnl_lrn_forward_primitive_desc_create": (
        *(_out, _ptr, c_int, c_int, _ptr, _ptr, c_int64, c_float, c_float, c_float, _ptr),
    ),
    "dnnl_lrn_backward_primitive_desc_create": (
        *(_out, _ptr, c_int, _ptr, _ptr, _ptr, c_int64, c_float, c_float, c_float, _ptr, _ptr),
    ),
    "dnnl_batch_normalization_forward_primitive_desc_create": (_out, _ptr, c_int, _ptr, _ptr, c_float, c_uint, _ptr),
    "dnnl_batch_normalization_backward_primitive_desc_create": (
        *(_out, _ptr, c_int, _ptr, _ptr, _ptr, c_float, c_uint, _ptr, _ptr),
    ),
    "dnnl_prelu_forward_primitive_desc_create": (_out, _ptr, c_int, _ptr, _ptr, _ptr, _ptr),
    "dnnl_prelu_backward_primitive_desc_create": (_out, *(_ptr,) * 8),
    "dnnl_binary_primitive_desc_create": (_out, _ptr, c_int, _ptr, _ptr, _ptr, _ptr),
    "dnnl_concat_primitive_desc_create": (_out, _ptr, _ptr, c_int, c_int, _out, _ptr),
    "dnnl_sum_primitive_desc_create": (_out, _ptr, _ptr, c_int, POINTER(c_float), _out, _ptr),
}
"""The functions used, by name, with the types of their arguments. All return a status, 0 being success."""


def axes(sizes: Sequence[int]) -> Any:
    """One number for each axis, as oneDNN takes them."""
    return _Sizes(*sizes)


class Unsupported(Exception):
    """oneDNN does not do this, or not in this way. Never seen outside this folder: the reference engine does it."""

    def __init__(self, who: str, what: str) -> None:
        super().__init__(f"{who}: {what}")


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """While OpenMP is loaded, tell its threads to wait for each other awake for some 50 us only, then asleep.

    It reads the environment once, now. Left to itself it would wait awake for milliseconds, and when somebody else
    keeps the cores busy, in turn with the very thread that is waited for. Who has set it otherwise is left alone.
    """
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


class _Version(ctypes.Structure):
    """dnnl_version_t."""

    _fields_ = (
        *(("major", c_int), ("minor", c_int), ("patch", c_int)),
        *(("hash", c_char_p), ("cpu_runtime", c_uint), ("gpu_runtime", c_uint)),
    )


def _loaded(name: str, remedy: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise DeviceError("oneDNN", f"{name} cannot be loaded: {error}", remedy) from None


class Library:
    """The loaded library with its one engine and one stream; `library` is how to get it."""

    def __init__(self, path: Path) -> None:
        with _patience():
            self.omp: Any = _loaded(OPENMP, OPENMP_REMEDY)  # oneDNN depends on it
            self.dnnl: Any = _loaded(str(path), REMEDY)
        self.dnnl.dnnl_version.restype = POINTER(_Version)
        found = self.dnnl.dnnl_version()[0]
        self.version = f"{found.major}.{found.minor}.{found.patch}"
        if found.major != 3:
            raise DeviceError("oneDNN", f"{path} is version {self.version}, not 3", REMEDY)
        for name, argtypes in PROTOTYPES.items():
            getattr(self.dnnl, name).argtypes = argtypes
        self.dnnl.dnnl_memory_desc_get_size.argtypes = (_ptr,)
        self.dnnl.dnnl_memory_desc_get_size.restype = c_size_t
        self.dnnl.dnnl_primitive_desc_query_md.argtypes = (_ptr, c_int, c_int)
        self.dnnl.dnnl_primitive_desc_query_md.restype = c_void_p
        self.dnnl.dnnl_status2str.restype = c_char_p
        self.engine = self.make("dnnl_engine_create", CPU, 0)
        self.stream = self.make("dnnl_stream_create", self.engine, IN_ORDER)

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function; Unsupported when oneDNN has no such thing, DeviceError when it fails otherwise."""
        status = getattr(self.dnnl, function)(*arguments)
        if status:
            kind = Unsupported if status in (INVALID_ARGUMENTS, UNIMPLEMENTED) else DeviceError
            raise kind("oneDNN", f"{function} says '{self.dnnl.dnnl_status2str(status).decode()}'")

    def make(self, function: str, *arguments: Any) -> int:
        """Call a function that makes an object, which it returns through its first argument; the object's handle."""
        handle = c_void_p()
        self.call(function, ctypes.byref(handle), *arguments)
        return int(handle.value or 0)


def find() -> Path:
    """The path of libdnnl in the installed package; DeviceError when it is not installed."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if re.fullmatch(r"libdnnl\.so\.\d+\.\d+", file.name):
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    raise DeviceError("oneDNN", f"the package {PACKAGE} is not installed", REMEDY)


_library: Library | None = None
_loading = threading.Lock()


def library() -> Library:
    """oneDNN, loaded on first use, once for all threads. DeviceError, naming what to install, when it is not there."""
    global _library
    if _library is None:
        with _loading:
            _library = _library or Library(find())
    return _library


# -- threads ---------------------------------------------------------------------------------------------------------

_of_caller = threading.local()


def prepare() -> int:
    """Tell OpenMP the number of threads for the calling thread; the generation. Before primitives are made or run."""
    count = num_threads()
    if getattr(_of_caller, "count", 0) != count:
        library().omp.omp_set_num_threads(count)
        _of_caller.count = count
        settle()
    return generation()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Have the calling thread compute without others, but what is to be computed `in_team`.

    OpenMP's teams then have one thread, as within another team: what they are asked for is computed as it would be by
    several, by one after the other.
    """
    omp = library().omp
    _of_caller.levels = max(1, omp.omp_get_max_active_levels())  # 0 where an old OpenMP has one number for all threads
    omp.omp_set_max_active_levels(0)
    try:
        yield
    finally:
        omp.omp_set_max_active_levels(_of_caller.levels)
        _of_caller.levels = None


def in_team(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that has to be computed by as many threads as it was made for, as its sums are divided."""
    levels = getattr(_of_caller, "levels", None)
    if levels is None:
        return function(*arguments)
    change = library().omp.omp_set_max_active_levels
    change(levels)
    try:
        return function(*arguments)
    finally:
        change(0)
