"""Engines: who computes. `current` is the one that nets use; the mode and CAFFE_ENGINE choose it."""

from __future__ import annotations

from caffe_sdk.engine.reference import ReferenceEngine as Engine
from caffe_sdk.engine.selection import (
    check_gpu,
    choose,
    choose_gpu,
    choose_precision,
    chosen,
    current,
    gpus,
    has_driver,
    kind_of,
    names,
    on_gpu,
    select,
    use,
)

__all__ = [
    "Engine",
    "check_gpu",
    "choose",
    "choose_gpu",
    "choose_precision",
    "chosen",
    "current",
    "gpus",
    "has_driver",
    "kind_of",
    "names",
    "on_gpu",
    "select",
    "use",
]
