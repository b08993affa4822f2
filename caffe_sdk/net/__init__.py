"""Nets: planned by `caffe_sdk.graph`, built and run here."""

from __future__ import annotations

from caffe_sdk.net.net import Learnable, Net, first_not_finite

__all__ = ["Learnable", "Net", "first_not_finite"]
