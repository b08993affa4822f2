"""pycaffe's names, all of them `caffe_sdk`'s; see `caffe_sdk.compat`.

The log is written to stderr as Caffe does; ``GLOG_minloglevel`` (0 to 3) leaves out the lesser lines.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from caffe_sdk import logs
from caffe_sdk.net_spec import layers, params

__version__ = "1.0.0"  # the Caffe whose interface this is

caffe_sdk = import_module("caffe_sdk")  # not a rung that this one stands on, but the names of all

_MODULES = {
    **{name: name for name in ("classifier", "coord_map", "detector", "draw", "io", "net_spec", "proto")},
    "proto.caffe_pb2": "proto.caffe_pb2",
}

__all__ = [*caffe_sdk.__all__, *(name for name in _MODULES if "." not in name), "layers", "params"]

if __name__ == "caffe":
    for _name in _MODULES:  # the same modules under both names: what is imported twice has classes that differ
        sys.modules[f"caffe.{_name}"] = import_module(f"caffe_sdk.{_name}")
    sys.modules["caffe.pycaffe"] = caffe_sdk
    import_module("caffe._caffe")
    logs.init_log()


def __getattr__(name: str) -> Any:
    """A name of `caffe_sdk`."""
    return caffe_sdk if name == "pycaffe" else getattr(caffe_sdk, name)
