"""Windows over padded arrays, and the way back."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.reference.windows import add_windows, inner, padded, windows


def test_padding() -> None:
    x = np.ones((2, 3, 3))
    full = padded(x, (1, 2), (5, 6), -7)
    assert full.shape == (2, 5, 6)
    np.testing.assert_array_equal(full[inner((3, 3), (1, 2))], x)
    assert full.sum() == 18 - 7 * (2 * 30 - 18)
    assert padded(x, (0, 0), (3, 3), 0) is x


def test_windows_are_a_view() -> None:
    x = np.arange(10.0)
    seen = windows(x, (3,), (2,), (2,), (3,))
    assert seen.tolist() == [[0, 2, 4], [2, 4, 6], [4, 6, 8]]  # [k, o]
    assert np.shares_memory(seen, x)
    assert not seen.flags.writeable


def test_the_way_back_adds_up() -> None:
    x = np.zeros(10)
    add_windows(np.ones((3, 3)), x, (3,), (2,), (2,), (3,))
    assert x.tolist() == [1, 0, 2, 0, 3, 0, 2, 0, 1, 0]
