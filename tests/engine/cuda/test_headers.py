"""The driver's prototypes and numbers against cuda.h: a wheel's, a toolkit's, or what CAFFE_CUDA_HEADER names."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_ulonglong, c_void_p
from pathlib import Path
from typing import Any

import pytest

from caffe_sdk.engine.cuda import driver

PLACES = ("cuda_runtime/include/cuda.h", "cu13/include/cuda.h")
VALUES: dict[str, Any] = {
    "int": c_int,
    "CUdevice": c_int,
    "unsigned int": c_uint,
    "unsigned char": c_ubyte,
    "unsigned long long": c_ulonglong,
    "cuuint64_t": c_ulonglong,
    "CUdeviceptr": c_ulonglong,
    "size_t": c_size_t,
    "float": c_float,
}
OTHERWISE = {"cuGraphInstantiateWithFlags": "cuGraphInstantiate"}
"""Names that the header gives functions, where they are not those of the library without _v2."""
HANDLES = ("CUstream", "CUevent", "CUcontext", "CUfunction", "CUmodule", "CUgraph", "CUgraphExec", "CUmemoryPool")
NUMBERS = {
    "CUDA_ERROR_OUT_OF_MEMORY": driver.OUT_OF_MEMORY,
    "CUDA_ERROR_NOT_READY": driver.NOT_READY,
    "CU_EVENT_DISABLE_TIMING": driver.DISABLE_TIMING,
    "CU_STREAM_NON_BLOCKING": driver.NON_BLOCKING,
    "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL": driver.THREAD_LOCAL,
    "CU_MEMHOSTALLOC_PORTABLE": driver.PORTABLE,
    "CU_MEMHOSTALLOC_DEVICEMAP": driver.MAPPED - driver.PORTABLE,
    "CU_MEMPOOL_ATTR_RELEASE_THRESHOLD": driver.RELEASE_THRESHOLD,
    "CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT": driver.PROCESSORS,
    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR": driver.MAJOR,
    "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR": driver.MINOR,
    "CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED": driver.POOLS,
}


@pytest.fixture(scope="module")
def header() -> str:
    """Without comments."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    paths = [Path(os.environ.get("CAFFE_CUDA_HEADER", "")), Path("/usr/local/cuda/include/cuda.h")]
    paths += [folder / place for folder in folders for place in PLACES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        pytest.skip("there is no cuda.h: pip install nvidia-cuda-runtime-cu12, or set CAFFE_CUDA_HEADER")
    return re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def ctype(parameter: str) -> Any:
    """The type of a parameter such as 'const void *srcHost'."""
    words = re.sub(r"\bconst\b", " ", parameter).replace("*", " * ").split()
    stars, words = words.count("*"), [word for word in words if word != "*"]
    kind = " ".join(words if len(words) == 1 else words[:-1])
    if kind in ("void", "char"):
        pointer = c_void_p if kind == "void" else c_char_p
        return pointer if stars == 1 else POINTER(pointer)
    value = c_void_p if kind in HANDLES else VALUES.get(kind, c_int)  # an enumeration
    return POINTER(value) if stars else value


def test_prototypes(header: str) -> None:
    theirs = {}
    for name in driver.PROTOTYPES:
        plain = OTHERWISE.get(name, name.removesuffix("_v2"))
        heads = re.findall(rf"CUresult CUDAAPI {plain}\(([^)]*)\)", header)
        renamed = re.search(rf"#define\s+{plain}\s+(?:__CUDA_API_PT[SD][SZ]\()?{name}\b", header)
        assert heads, name
        assert name == plain or renamed, name
        theirs[name] = tuple(map(ctype, heads[0].split(",")))
    assert theirs == driver.PROTOTYPES


def test_numbers(header: str) -> None:
    assert {name: value(header, name) for name in NUMBERS} == NUMBERS


def value(header: str, name: str) -> int | None:
    """What a name is defined as; an enumerator without a number is one more than that before it."""
    said = re.search(rf"\b{name}\s*=?\s*(0x[0-9a-f]+|\d+)", header)
    if said:
        return int(said[1], 0)
    before = re.search(rf"\b(\w+)(?:\s*=\s*\w+)?,\s*{name}\b", header)
    first = before and value(header, before[1])
    return None if first is None else first + 1


def test_types_of_parameters_are_read_as_the_compiler_does() -> None:
    given = [
        "const void *from",
        "const char **name",
        "CUdeviceptr *at",
        "CUevent *made",
        "CUevent e",
        "CUstreamFlags f",
    ]
    assert list(map(ctype, given)) == [
        *(c_void_p, POINTER(c_char_p), POINTER(c_ulonglong), POINTER(c_void_p), c_void_p, c_int)
    ]
    assert ctypes.sizeof(c_int) == 4
