"""The Open Inference Protocol with Triton's extensions (``proto/inference``): what stock clients of servers speak."""

from __future__ import annotations

from caffe_sdk.schema.messages import load

pb = load("inference")
"""Message classes, enum values and services of the package ``inference``."""
