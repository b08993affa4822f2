"""The default engine: oneDNN through its C API, Numba for what it lacks, the reference for the rest.

Modules in the order calls flow: `fusion` rewrites them, `compile` sorts them into stretches, the families
(`convolution`, `dense`, `pooling`, `normalization`, `movement`, `elementwise`, `softmax`) say which primitives compute
them, `plan` puts those in order and brings numbers into the layouts they want (`layouts`, `descriptors`), `primitives`
and `library` are oneDNN itself. `update` is how solvers change weights in whatever layout they are; it and `loss` are
loops of `kernels`, which Numba compiles.
"""

from caffe_sdk.engine.cpu.engine import CpuEngine

__all__ = ["CpuEngine"]
