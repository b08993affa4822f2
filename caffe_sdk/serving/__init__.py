"""Models from a folder, served to many clients at once. Nothing here knows a protocol; the doors are above.

A `Repository` keeps the versions of models in a folder ready. `Repository.get` gives a `ServedModel`, its
`ServedModel.submit` takes an `InferRequest` and gives a `Pending`, whose result is an `InferResult`.
"""

from __future__ import annotations

from caffe_sdk.serving.config import ModelConfig
from caffe_sdk.serving.model import ServedModel
from caffe_sdk.serving.processors import Processors
from caffe_sdk.serving.repository import ModelState, Options, Repository
from caffe_sdk.serving.requests import InferRequest, InferResult, Pending, TensorSpec, Timings
from caffe_sdk.serving.statistics import Duration, Statistics

__all__ = [
    "Duration",
    "InferRequest",
    "InferResult",
    "ModelConfig",
    "ModelState",
    "Options",
    "Pending",
    "Processors",
    "Repository",
    "ServedModel",
    "Statistics",
    "TensorSpec",
    "Timings",
]
