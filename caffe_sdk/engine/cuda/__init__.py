"""The engine of GPUs: CUDA kernels of our own, and matrix products by cuBLAS."""

from __future__ import annotations

from caffe_sdk.engine.cuda.engine import CudaEngine

__all__ = ["CudaEngine"]
