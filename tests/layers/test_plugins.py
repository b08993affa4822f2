"""Errors of the user's modules in words; test_python.py imports such modules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from caffe_sdk.errors import LayerError
from caffe_sdk.layers.plugins import told, user_module


def error_of(depth: int) -> Exception:
    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        else:
            os.stat(f"nowhere{left}")

    try:
        deeper(depth)
    except OSError as error:
        return error
    raise AssertionError


def test_errors_say_where_they_happened() -> None:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "os.stat(" in text)
    assert told(error_of(3)).endswith(f"({__file__}, line {line})")
    assert told(error_of(0), __file__).startswith("FileNotFoundError: ")
    assert told(error_of(0), "elsewhere.py").endswith(f"line {line})")
    assert told(ValueError("no traceback")) == "ValueError: no traceback"


def test_modules_come_from_the_path() -> None:
    assert user_module("os.path", "layer 'it'") is os.path
    with pytest.raises(LayerError, match=r"^layer 'it': module 'no.such' does not import: ModuleNotFoundError"):
        user_module("no.such", "layer 'it'")
