"""The loops behind Winograd's filtering: what becomes of them when Numba compiles them."""

from __future__ import annotations

from caffe_sdk.engine.cpu import winograd_kernels as kernels
from caffe_sdk.engine.portable.loops.compiled import as_instructions


def test_a_loop_becomes_a_function_of_a_known_name() -> None:
    instructions, native = as_instructions(*kernels.LOOPS["transform_filters"])
    assert f"@{native}(" in instructions.replace('"', "")
    assert "transform_filters" in native
