"""Nets: planned by `caffe_sdk.graph`, built and run here."""

from __future__ import annotations

from caffe_sdk.net.net import Net, first_not_finite
from caffe_sdk.net.parts import Learnable

__all__ = ["Learnable", "Net", "first_not_finite"]
