"""The loops behind convolutions of single images: what becomes of them, and places that are taken."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import window_kernels as kernels
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.cpu.window_job import PLACES
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.portable.loops.compiled import as_instructions


def test_a_loop_becomes_a_function_of_a_known_name() -> None:
    instructions, native = as_instructions(*kernels.LOOPS["take_places"])
    assert f"@{native}(" in instructions.replace('"', "")
    assert "take_places" in native


@pytest.mark.parametrize(
    ("height", "width", "top", "left", "step"), [(5, 6, 0, 0, 1), (3, 4, 0, 0, 2), (7, 9, -1, -2, 1)]
)
def test_places_are_taken_and_zeros_around_them(height: int, width: int, top: int, left: int, step: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 16)).astype(np.float32)
    y = np.full((2, height, width, 16), np.nan, np.float32)
    values = {
        "items": 2,
        "x": address(x),
        "x_height": 5,
        "x_width": 6,
        "y": address(y),
        "y_height": height,
        "y_width": width,
        "top": top,
        "left": left,
        "down": step,
        "across": step,
    }
    Job("take_places", PLACES, values).run()
    around = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))
    expected = around[:, 4 + top :: step, 4 + left :: step][:, :height, :width]
    np.testing.assert_array_equal(y, expected)
