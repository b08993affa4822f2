"""Modules of the user's that layers are defined in."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import ModuleType

from caffe_sdk.errors import LayerError


def user_module(name: str, where: str) -> ModuleType:
    """Import a module from ``sys.path`` or, after that, from the working directory.

    Raises LayerError, from the original error, when that fails; ``where`` names the layer that wants it.
    """
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)  # to stay: the module may import its neighbours later
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "caffe":
            remedy = "write 'import caffe_sdk as caffe' there"
        elif isinstance(error, ModuleNotFoundError) and error.name == name:
            remedy = f"put its folder on PYTHONPATH, or work in it; now it is {folder}"
        else:
            remedy = "correct the module"
        raise LayerError(where, f"module '{name}' does not import: {told(error)}", remedy) from error


def told(error: BaseException, file: str | None = None) -> str:
    """An error in words, with the place it happened at: the innermost in ``file``, if that is given and part of it."""
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return words  # which name the place
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or list(frames)
    return f"{words} ({own[-1].filename}, line {own[-1].lineno})" if own else words
