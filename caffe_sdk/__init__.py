"""Caffe without the build: ``import caffe_sdk as caffe``.

The names here are pycaffe's. Each is loaded when it is first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from caffe_sdk import classifier as classifier
    from caffe_sdk import coord_map as coord_map
    from caffe_sdk import detector as detector
    from caffe_sdk import draw as draw
    from caffe_sdk import errors as errors
    from caffe_sdk import io as io
    from caffe_sdk import layers as layers
    from caffe_sdk import net_spec as net_spec
    from caffe_sdk import preprocessing as preprocessing
    from caffe_sdk import proto as proto
    from caffe_sdk import selective_search as selective_search
    from caffe_sdk.blob import Blob as Blob
    from caffe_sdk.classifier import Classifier as Classifier
    from caffe_sdk.compat import install_as_caffe as install_as_caffe
    from caffe_sdk.detector import Detector as Detector
    from caffe_sdk.errors import CaffeError as CaffeError
    from caffe_sdk.layers.python import Layer as Layer
    from caffe_sdk.logs import init_log as init_log
    from caffe_sdk.logs import log as log
    from caffe_sdk.mode import cupy_array as cupy_array
    from caffe_sdk.mode import layer_type_list as layer_type_list
    from caffe_sdk.mode import set_device as set_device
    from caffe_sdk.mode import set_mode_cpu as set_mode_cpu
    from caffe_sdk.mode import set_mode_gpu as set_mode_gpu
    from caffe_sdk.mode import set_precision as set_precision
    from caffe_sdk.net import Net as Net
    from caffe_sdk.net_spec import NetSpec as NetSpec
    from caffe_sdk.net_spec import params as params
    from caffe_sdk.net_spec import to_proto as to_proto
    from caffe_sdk.preprocessing import Preprocessing as Preprocessing
    from caffe_sdk.ranks import set_multiprocess as set_multiprocess
    from caffe_sdk.ranks import set_solver_count as set_solver_count
    from caffe_sdk.ranks import set_solver_rank as set_solver_rank
    from caffe_sdk.ranks import solver_count as solver_count
    from caffe_sdk.ranks import solver_rank as solver_rank
    from caffe_sdk.rng import set_random_seed as set_random_seed
    from caffe_sdk.solver import AdaDeltaSolver as AdaDeltaSolver
    from caffe_sdk.solver import AdaGradSolver as AdaGradSolver
    from caffe_sdk.solver import AdamSolver as AdamSolver
    from caffe_sdk.solver import NesterovSolver as NesterovSolver
    from caffe_sdk.solver import RMSPropSolver as RMSPropSolver
    from caffe_sdk.solver import SGDSolver as SGDSolver
    from caffe_sdk.solver import get_solver as get_solver
    from caffe_sdk.solver.nccl import NCCL as NCCL
    from caffe_sdk.solver.nccl import has_nccl as has_nccl
    from caffe_sdk.threads import num_threads as num_threads
    from caffe_sdk.threads import set_num_threads as set_num_threads
    from caffe_sdk.timer import Timer as Timer

TRAIN, TEST = 0, 1

_HOMES = {
    "caffe_sdk.blob": ["Blob"],
    "caffe_sdk.classifier": ["Classifier"],
    "caffe_sdk.compat": ["install_as_caffe"],
    "caffe_sdk.detector": ["Detector"],
    "caffe_sdk.errors": ["CaffeError"],
    "caffe_sdk.layers.python": ["Layer"],
    "caffe_sdk.logs": ["init_log", "log"],
    "caffe_sdk.mode": ["cupy_array", "layer_type_list", "set_device", "set_mode_cpu", "set_mode_gpu", "set_precision"],
    "caffe_sdk.net": ["Net"],
    "caffe_sdk.net_spec": ["NetSpec", "params", "to_proto"],
    "caffe_sdk.preprocessing": ["Preprocessing"],
    "caffe_sdk.ranks": [
        "set_multiprocess",
        "set_solver_count",
        "set_solver_rank",
        "solver_count",
        "solver_rank",
    ],
    "caffe_sdk.rng": ["set_random_seed"],
    "caffe_sdk.solver": [
        "AdaDeltaSolver",
        "AdaGradSolver",
        "AdamSolver",
        "NesterovSolver",
        "RMSPropSolver",
        "SGDSolver",
        "get_solver",
    ],
    "caffe_sdk.solver.nccl": ["NCCL", "has_nccl"],
    "caffe_sdk.threads": ["num_threads", "set_num_threads"],
    "caffe_sdk.timer": ["Timer"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
_SUBMODULES = {
    "classifier",
    "client",
    "coord_map",
    "detector",
    "draw",
    "errors",
    "io",
    "layers",
    "net_spec",
    "preprocessing",
    "proto",
    "selective_search",
}

__all__ = ["TEST", "TRAIN", "__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    """Load a public name, or a submodule that scripts reach through the package, on first use."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"caffe_sdk.{name}")
    else:
        raise AttributeError(f"module 'caffe_sdk' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
