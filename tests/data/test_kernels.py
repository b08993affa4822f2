"""The compiled kernels: the same bits as NumPy's, and usable where nothing can be cached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

from caffe_sdk.data import kernels_numba, kernels_numpy
from caffe_sdk.data.resize import _neighbours


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_same_bits(rng: np.random.Generator, kind: type, mirror: bool) -> None:
    pixels = (rng.random((3, 30, 40)) * 255).astype(kind)
    scale = np.float32(1 / 3)
    for name, mean in (("minus_image", rng.random((3, 30, 40))), ("minus_channels", rng.random(3))):
        outs = [np.empty((3, 20, 21), np.float32) for _ in range(2)]
        for module, out in zip((kernels_numba, kernels_numpy), outs, strict=True):
            getattr(module, name)(pixels, 3, 19, mirror, mean.astype(np.float32), scale, out)
        np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("mirror", [False, True])
def test_channels_together_same_bits_as_planes(rng: np.random.Generator, mirror: bool) -> None:
    pixels = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    for name, mean in (("minus_image", rng.random((3, 30, 40))), ("minus_channels", rng.random(3))):
        rest = 3, 19, mirror, mean.astype(np.float32), np.float32(1 / 3)
        want = np.empty((3, 20, 21), np.float32)
        getattr(kernels_numpy, name)(planes, *rest, want)
        for module in (kernels_numba, kernels_numpy):
            out = np.empty_like(want)
            getattr(module, f"{name}_together")(pixels, *rest, out)
            np.testing.assert_array_equal(out, want)


def test_without_a_place_to_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba raises RuntimeError where neither the package's folder nor the user's cache can be written."""

    def njit(cache: bool = False, **options: Any) -> Callable[[Any], Any]:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function, options)

    monkeypatch.setattr(numba, "njit", njit)
    assert kernels_numba._compiled(print) == ("compiled", print, {"nogil": True})


@pytest.mark.parametrize("size", [(30, 40), (60, 17), (9, 100)])
def test_interpolation_same_bits(rng: np.random.Generator, size: tuple[int, int]) -> None:
    """Of an image, and of a part of one, whose rows are not one after the other."""
    image = rng.integers(0, 256, (3, 30, 40)).astype(np.uint8)
    for pixels in (image, image[:, 5:25, 7:30]):
        rows, columns = (_neighbours(*ends) for ends in zip(pixels.shape[1:], size, strict=True))
        outs = [np.empty((3, *size), np.uint8) for _ in range(2)]
        for module, out in zip((kernels_numba, kernels_numpy), outs, strict=True):
            module.interpolate(pixels, rows, columns, out)
        np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_split_same_bits(rng: np.random.Generator, channels: int) -> None:
    pixels = rng.integers(0, 256, (7, 19, channels)).astype(np.uint8)
    for module in (kernels_numba, kernels_numpy):
        out = np.empty((channels, 7, 19), np.uint8)
        module.split(pixels, out)
        np.testing.assert_array_equal(out, np.moveaxis(pixels, 2, 0))
