"""What pycaffe's part in C++ is called: few scripts import from it, and those that do find the same names here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

BlobVec = RawBlobVec = LayerVec = list
"""What ``net.params["conv1"]`` and ``net.layers`` are."""


def __getattr__(name: str) -> Any:
    """A name of `caffe_sdk`, and ``Solver``, from which all solvers derive."""
    return getattr(import_module("caffe_sdk.solver" if name == "Solver" else "caffe_sdk"), name)
