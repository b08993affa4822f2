"""NVIDIA's compiler of kernels, which needs no GPU: NVRTC through ctypes."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from importlib.metadata import files

from caffe_sdk.engine.cuda.simulated import cache_folder

DISTRIBUTION = "nvidia-cuda-nvrtc-cu12"


@functools.cache
def library() -> ctypes.CDLL:
    """The library out of its wheel."""
    found = [file for file in files(DISTRIBUTION) or [] if file.name.startswith("libnvrtc.so")]
    return ctypes.CDLL(str(found[0].locate()))


def compile_text(text: str, architecture: int) -> bytes:
    """The binary of kernels for one architecture, from the cache if it is there. AssertionError with the log."""
    key = hashlib.sha256(f"{architecture} {version()} {text}".encode()).hexdigest()[:24]
    path = cache_folder() / "nvrtc" / f"{key}.cubin"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(f".{id(text)}")
        made.write_bytes(_compile(text, architecture))
        made.replace(path)
    return path.read_bytes()


def version() -> tuple[int, int]:
    """Of the library."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    assert library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)) == 0
    return major.value, minor.value


def _compile(text: str, architecture: int) -> bytes:
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert library().nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None) == 0
    try:
        options = [f"--gpu-architecture=sm_{architecture}".encode(), b"--std=c++14", b"--ptxas-options=-O0"]
        status = library().nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        library().nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library().nvrtcGetProgramLog(program, log)
        said = [line for line in log.value.decode().splitlines() if "Architectures prior to" not in line]
        assert status == 0, "\n".join(said)
        assert not any(said), "\n".join(said)
        library().nvrtcGetCUBINSize(program, ctypes.byref(size))
        binary = ctypes.create_string_buffer(size.value)
        assert library().nvrtcGetCUBIN(program, binary) == 0
        return binary.raw
    finally:
        library().nvrtcDestroyProgram(ctypes.byref(program))
