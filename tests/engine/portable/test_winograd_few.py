"""The loop for few tiles by itself, against a convolution summed in float64."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.portable.filtering import PARTS, Problem, convolution_of_few
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.portable.loops import winograd_few
from caffe_sdk.engine.portable.winograd_job import JOB
from caffe_sdk.memory import aligned
from caffe_sdk.threads import num_threads, set_num_threads


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> None:
    """So many threads."""
    set_num_threads(request.param)


SIZES = {
    "one tile": (1, 1, 3, 4, 3),
    "rows left over": (1, 2, 9, 14, 1),
    "many rows": (1, 1, 14, 17, 2),
    "two images": (2, 1, 5, 6, 5),
    "chunks of rows": (1, 1, 38, 35, 3),
    "chunks of two images": (2, 2, 21, 30, 1),
    "a chunk for each row": (1, 1, 6, 300, 1),
}
"""Images, blocks of channels of x, height, width, blocks of channels of y."""


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("pad", [(0, 0), (1, 2)])
def test_convolution(case: str, pad: tuple[int, int]) -> None:
    n, blocks_in, height, width, blocks_out = SIZES[case]
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, blocks_in, height, width, 16)).astype(np.float32)
    w = rng.standard_normal((blocks_out, blocks_in, 3, 3, 16, 16)).astype(np.float32)
    around = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2, (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(2, 3))
    expected = np.einsum("nbhwcij,kbijcl->nkhwl", seen, w)
    y = np.full(expected.shape, np.nan, np.float32)
    p = Problem((n, 16 * blocks_in, height, width), (n, 16 * blocks_out, *y.shape[2:4]), 3, pad, 1)
    work = convolution_of_few(p, num_threads())
    assert work.loop in winograd_few.LOOPS
    room = aligned(work.room // 4, np.float32)
    where = {"slope": 1.0, "x": address(x), "w": address(w), "y": address(y)}
    Job(work.loop, JOB, {**work.job(address(room)), **where}).run()
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_threads_have_several_parts_each_to_take() -> None:
    p = Problem((1, 64, 14, 14), (1, 512, 14, 14), 3, (1, 1), 1)
    assert convolution_of_few(p, 1).values["items"] == 1
    assert convolution_of_few(p, 2).values["items"] == 2 * PARTS


def test_chunks_are_as_many_for_each_thread() -> None:
    p = Problem((1, 64, 56, 56), (1, 64, 56, 56), 3, (1, 1), 1)
    assert [convolution_of_few(p, threads).values["chunks"] for threads in (1, 2, 3)] == [4, 4, 6]
