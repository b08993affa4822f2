"""cuBLAS: matrix products, through ctypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_float, c_int, c_longlong, c_size_t, c_void_p
from typing import Any

from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.cuda.libraries import declare
from caffe_sdk.errors import DeviceError

WORKSPACE = 32 << 20
"""Bytes: what NVIDIA advises for the largest GPUs. It is ours, so that a captured product finds it again."""
DEFAULT_MATH, TF32_MATH = 0, 3  # cublasMath_t
WHOLE_SUMS = 16  # CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: sums of 16-bit factors stay in float32
COMPUTE_32F, DEFAULT_ALGORITHM = 68, -1  # cublasComputeType_t, cublasGemmAlgo_t
PLAIN, TRANSPOSED = 0, 1  # cublasOperation_t

_numbers = POINTER(c_float)
_one = (c_void_p, c_int, c_int, c_int, c_int, c_int, _numbers)
PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (POINTER(c_void_p),),
    "cublasSetStream_v2": (c_void_p, c_void_p),
    "cublasSetWorkspace_v2": (c_void_p, c_void_p, c_size_t),
    "cublasSetMathMode": (c_void_p, c_int),
    "cublasSgemm_v2": (*_one, c_void_p, c_int, c_void_p, c_int, _numbers, c_void_p, c_int),
    "cublasSgemmStridedBatched": (
        *(*_one, c_void_p, c_int, c_longlong, c_void_p, c_int, c_longlong),
        *(_numbers, c_void_p, c_int, c_longlong, c_int),
    ),
    "cublasGemmStridedBatchedEx": (
        *(*_one, c_void_p, c_int, c_int, c_longlong, c_void_p, c_int, c_int, c_longlong),
        *(_numbers, c_void_p, c_int, c_int, c_longlong, c_int, c_int, c_int),
    ),
}
"""The functions used (cublas_api.h, CUDA 12 and 13). All return a cublasStatus_t, 0 for success."""


def version(library: ctypes.CDLL) -> str:
    """Of cuBLAS. No GPU is needed."""
    declare(library, {"cublasGetProperty": (c_int, POINTER(c_int))}, "cuBLAS")
    numbers = [c_int() for _ in range(3)]
    for which, number in enumerate(numbers):  # MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL
        library.cublasGetProperty(which, ctypes.byref(number))
    return ".".join(str(number.value) for number in numbers)


class Blas:
    """cuBLAS on one device's stream. ``tf32`` rounds factors to 10 bits of mantissa, for the speed of tensor cores."""

    def __init__(self, library: ctypes.CDLL, stream: c_void_p, workspace: int, tf32: bool) -> None:
        declare(library, PROTOTYPES, "cuBLAS")
        self._library, self._handle = library, c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, stream)
        self._call("cublasSetWorkspace_v2", self._handle, workspace, WORKSPACE)
        self._call("cublasSetMathMode", self._handle, (TF32_MATH if tf32 else DEFAULT_MATH) | WHOLE_SUMS)

    def multiply(self, p: Product) -> None:
        """A product of row-major matrices: of their transposes, in the other order, for cuBLAS counts by columns."""
        ways = (TRANSPOSED if p.b_transposed else PLAIN), (TRANSPOSED if p.a_transposed else PLAIN)
        b_row, a_row = (p.k if p.b_transposed else p.n), (p.m if p.a_transposed else p.k)
        alpha, beta = ctypes.byref(c_float(p.alpha)), ctypes.byref(c_float(p.beta))
        one = self._handle, *ways, p.n, p.m, p.k, alpha
        if p.factors.nbytes < 4:
            factors = p.b, p.factors.cuda_type, b_row, p.b_step, p.a, p.factors.cuda_type, a_row, p.a_step
            result = p.c, p.result.cuda_type, p.n, p.c_step, p.batch, COMPUTE_32F, DEFAULT_ALGORITHM
            self._call("cublasGemmStridedBatchedEx", *one, *factors, beta, *result)
        elif p.batch == 1:
            self._call("cublasSgemm_v2", *one, p.b, b_row, p.a, a_row, beta, p.c, p.n)
        else:
            pair = p.b, b_row, p.b_step, p.a, a_row, p.a_step
            self._call("cublasSgemmStridedBatched", *one, *pair, beta, p.c, p.n, p.c_step, p.batch)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise DeviceError("GPU", f"{name} answers {status}", "see cublasStatus_t in cuBLAS's documentation")
