"""NVIDIA's shared libraries: in pip's wheels, else where the system finds them."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from caffe_sdk.errors import DeviceError

REMEDY = "pip install 'caffe-sdk[gpu]' for CUDA 12, 'caffe-sdk[gpu13]' for CUDA 13, or use set_mode_cpu()"


def load(name: str, versions: Sequence[int], purpose: str, remedy: str = REMEDY) -> ctypes.CDLL:
    """The library lib``name`` of one of some major versions, the first preferred. DeviceError where there is none."""
    for path in candidates(name, versions):
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    wanted = " or ".join(f"lib{name}.so.{version}" for version in versions)
    raise DeviceError("GPU", f"{purpose} needs {wanted}, which is nowhere here", remedy)


def candidates(name: str, versions: Sequence[int]) -> Iterator[str]:
    """Where the library may be: files of wheels, then names for the system's loader."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec is not None else []
    for version in versions:
        file = f"lib{name}.so.{version}"
        for folder in folders:
            yield from map(str, sorted(folder.glob(f"*/lib/{file}")))
        yield file


def declare(library: ctypes.CDLL, prototypes: Mapping[str, tuple[Any, ...]], found_in: str) -> None:
    """Say what functions take; all return an int. DeviceError for one that is not there."""
    for name, types in prototypes.items():
        function = getattr(library, name, None)
        if function is None:
            raise DeviceError("GPU", f"{found_in} has no {name}: it is too old", "update NVIDIA's driver and libraries")
        function.argtypes, function.restype = types, ctypes.c_int


def driver() -> ctypes.CDLL:
    """The driver's library. DeviceError where there is no driver."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError:
        raise DeviceError(
            "GPU", f"there is no NVIDIA driver here ({name})", "install NVIDIA's driver, or use set_mode_cpu()"
        ) from None
