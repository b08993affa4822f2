"""NVRTC, which compiles kernels for a GPU and needs none: through ctypes, and kept in the user's cache folder."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_void_p
from typing import Any

from caffe_sdk.engine import user_cache
from caffe_sdk.engine.cuda.libraries import declare, load
from caffe_sdk.errors import InternalError

VERSIONS = (12, 13)
PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "nvrtcVersion": (POINTER(c_int), POINTER(c_int)),
    "nvrtcGetNumSupportedArchs": (POINTER(c_int),),
    "nvrtcGetSupportedArchs": (POINTER(c_int),),
    "nvrtcCreateProgram": (POINTER(c_void_p), c_char_p, c_char_p, c_int, c_void_p, c_void_p),
    "nvrtcDestroyProgram": (POINTER(c_void_p),),
    "nvrtcCompileProgram": (c_void_p, c_int, POINTER(c_char_p)),
    "nvrtcGetProgramLogSize": (c_void_p, POINTER(c_size_t)),
    "nvrtcGetProgramLog": (c_void_p, c_char_p),
    "nvrtcGetCUBINSize": (c_void_p, POINTER(c_size_t)),
    "nvrtcGetCUBIN": (c_void_p, c_char_p),
    "nvrtcGetPTXSize": (c_void_p, POINTER(c_size_t)),
    "nvrtcGetPTX": (c_void_p, c_char_p),
}
"""The functions used (nvrtc.h), with the types of their arguments. All return an nvrtcResult, 0 for success."""


@functools.cache
def library() -> ctypes.CDLL:
    """NVRTC. DeviceError where it is not installed."""
    found = load("nvrtc", VERSIONS, "compiling kernels")
    declare(found, PROTOTYPES, "NVRTC")
    return found


def version() -> tuple[int, int]:
    """Of NVRTC."""
    major, minor = c_int(), c_int()
    library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def architectures() -> list[int]:
    """Those that NVRTC makes binaries for, such as 90 for sm_90."""
    count = c_int()
    library().nvrtcGetNumSupportedArchs(ctypes.byref(count))
    found = (c_int * count.value)()
    library().nvrtcGetSupportedArchs(found)
    return sorted(found)


def compiled(text: str, architecture: int, options: tuple[str, ...] = ()) -> bytes:
    """Kernels for one architecture: a binary, or for one newer than NVRTC a program that the driver translates.

    From the cache, if they have been compiled before. InternalError with the compiler's words if they do not compile.
    """
    key = hashlib.sha256(f"{architecture} {version()} {options} {text}".encode()).hexdigest()[:24]
    path = user_cache.folder("kernels") / key
    if path.exists():
        return path.read_bytes()
    made = _compile(text, architecture, options)
    user_cache.keep(path, made)
    return made


def _compile(text: str, architecture: int, options: tuple[str, ...]) -> bytes:
    nvrtc, program = library(), c_void_p()
    known = architectures()
    kind, result = ("sm", "CUBIN") if architecture in known else ("compute", "PTX")
    number = architecture if architecture in known else max((a for a in known if a < architecture), default=known[0])
    flags = [f"--gpu-architecture={kind}_{number}", "--std=c++14", *options]
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None)
    try:
        status = nvrtc.nvrtcCompileProgram(program, len(flags), (c_char_p * len(flags))(*map(str.encode, flags)))
        said = _text(program, "ProgramLog").decode(errors="replace").rstrip("\0")
        words = [line for line in said.splitlines() if line and "Architectures prior to" not in line]
        if status or words:
            raise InternalError("kernels", f"NVRTC does not compile them for {kind}_{number}:\n" + "\n".join(words))
        return _text(program, result)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(program: c_void_p, what: str) -> bytes:
    """What NVRTC made: the log, the binary, or the program."""
    size = c_size_t()
    getattr(library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(library(), f"nvrtcGet{what}")(program, buffer)
    return buffer.raw
