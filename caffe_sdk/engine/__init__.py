"""Engines: who computes. `current` is the one that nets use; the mode and CAFFE_ENGINE choose it."""

from __future__ import annotations

from caffe_sdk.engine.reference import ReferenceEngine as Engine
from caffe_sdk.engine.selection import choose, choose_gpu, current, gpus, names, select, use

__all__ = ["Engine", "choose", "choose_gpu", "current", "gpus", "names", "select", "use"]
