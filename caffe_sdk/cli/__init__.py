"""The ``caffe`` command: the original's commands and flags, and a few more."""

from __future__ import annotations

from caffe_sdk.cli.main import main

__all__ = ["main"]
