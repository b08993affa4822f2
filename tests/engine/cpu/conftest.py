"""Where oneDNN has no wheel, only the tests of doing without it are run."""

from __future__ import annotations

from caffe_sdk.engine.cpu.library import find
from caffe_sdk.errors import DeviceError

try:
    find()
except DeviceError:
    collect_ignore_glob = ["test_[!e]*.py", "test_elementwise.py"]
