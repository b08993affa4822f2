"""The loops behind convolutions of single images: what becomes of them, and places that are taken."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu import window_kernels as kernels
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.cpu.window_job import PLACES, WINDOW
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.portable.loops.compiled import as_instructions
from caffe_sdk.threads import set_num_threads


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


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_run_computes_every_item_once(threads: int) -> None:
    set_num_threads(threads)
    x, w, y = (
        np.ones((1, 40, 16), np.float32),
        np.ones((3, 1, 16, 16), np.float32),
        np.empty((3, 40, 16), np.float32),
    )
    scale, shift = np.ones(48, np.float32), np.zeros(48, np.float32)
    values = {"items": 6, "threads": threads, "pieces": 3, "places": 14, "parts": 2, "blocks_of_part": 2}
    values |= {"height": 1, "width": 40, "blocks_in": 1, "blocks_out": 3, "x_block": x.nbytes, "x_row": x.nbytes}
    values |= {"x_height": 1, "down": 1, "across": 1, "depth": 1}
    where = {"x": x, "w": w, "y": y, "scale": scale, "shift": shift, "residual": y}
    job = Job("convolve_windows", WINDOW, values | {name: address(array) for name, array in where.items()})
    for _ in range(3):
        y[:] = 5
        job.run()
        assert (y == 5 + 16).all()
