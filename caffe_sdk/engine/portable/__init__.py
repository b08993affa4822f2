"""What computes wherever Python runs: loops that Numba compiles, and BLAS through NumPy.

It stands in for oneDNN on other processors and systems, and is what the cpu engine builds on. The families
(`convolution` with `winograd` and `filtering`, `dense`, `pooling`, `normalization`, `affine`, `neuron`, `elementwise`,
`loss`, `update`) override operations of the reference engine on plain float32 arrays; `conditions` says when. `loops`
are theirs, compiled when first called, and kept on disk between processes.
"""

from caffe_sdk.engine.portable.engine import PortableEngine

__all__ = ["PortableEngine"]
