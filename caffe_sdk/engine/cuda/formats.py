"""How numbers may be stored on a device: what the values between layers take, and what is multiplied."""

from __future__ import annotations

from dataclasses import dataclass

from caffe_sdk.errors import ArgumentError


@dataclass(frozen=True)
class Format:
    """A format of floating point."""

    name: str
    nbytes: int
    """Of a value."""
    cuda_type: int
    """Its number among NVIDIA's (cudaDataType)."""
    scales: bool = False
    """Whether gradients are so often too small for its exponent that training multiplies them."""


FLOAT32 = Format("float32", 4, 0)
FLOAT16 = Format("float16", 2, 2, scales=True)
BFLOAT16 = Format("bfloat16", 2, 14)

FORMATS = {each.name: each for each in (FLOAT32, FLOAT16, BFLOAT16)}
"""By their names."""


def named(name: str, where: str = "CAFFE_PRECISION") -> Format:
    """The format of a name. ArgumentError for any other."""
    if name not in FORMATS:
        raise ArgumentError(where, f"'{name}' is no precision", f"give one of {', '.join(FORMATS)}")
    return FORMATS[name]
