"""The loops behind Winograd's filtering: what becomes of them when Numba compiles them."""

from __future__ import annotations

from caffe_sdk.engine.cpu import winograd_kernels as kernels


def test_a_loop_becomes_a_function_of_a_known_name() -> None:
    instructions, native = kernels.compiled("transform_filters")
    assert f"@{native}(" in instructions.replace('"', "")
    assert "transform_filters" in native
