"""The default engine: oneDNN through its C API, the portable engine for the rest.

Modules in the order calls flow: `fusion` rewrites them, `compile` sorts them into stretches, the families
(`convolution`, `dense`, `pooling`, `normalization`, `movement`, `elementwise`, `softmax`) say which primitives compute
them, `plan` puts those in order and brings numbers into the layouts they want (`layouts`, `descriptors`), `primitives`
and `library` are oneDNN itself. What they lack are loops of the portable engine, which is also the base: updates
and losses are its own, in whatever layout weights are.
"""

from caffe_sdk.engine.cpu.engine import CpuEngine

__all__ = ["CpuEngine"]
