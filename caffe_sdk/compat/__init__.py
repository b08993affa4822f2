"""``import caffe`` for scripts written for pycaffe.

Nothing called caffe is installed, so that a Caffe that is there stays what it is. A script asks for this one:

- with ``PYTHONPATH=$(caffe-sdk pythonpath) python old_script.py``, which changes no line of it;
- or by calling ``caffe_sdk.install_as_caffe()`` before its ``import caffe``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from caffe_sdk.errors import ArgumentError

FOLDER = Path(__file__).parent


def pythonpath() -> str:
    """The folder from which Python imports ``caffe``, to be put into PYTHONPATH or sys.path."""
    return str(FOLDER)


def install_as_caffe() -> ModuleType:
    """Let ``import caffe`` give this package from now on, in this process; returns the module.

    Raises ArgumentError where another Caffe was imported before: its objects would meet those of this one.
    """
    sys.path.insert(0, str(FOLDER))
    try:
        found = import_module("caffe")
    finally:
        sys.path.remove(str(FOLDER))
    if Path(found.__file__ or "").resolve() != (FOLDER / "caffe" / "__init__.py").resolve():
        what = f"another caffe was imported already, from {found.__file__}"
        raise ArgumentError("install_as_caffe", what, "call it first, or use a process without that caffe")
    return found
