"""noise_param, against its definition; numbers that OpenCV gave once are said to be its."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from caffe_sdk.data import draws, noise
from caffe_sdk.data.augment import Augment
from caffe_sdk.errors import DataError, LayerError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TransformationParameter


def augment(text: str) -> Augment:
    param: Any = prototxt.parse(f"noise_param {{ {text} }}", TransformationParameter)
    return Augment(param, "here")


def changed(text: str, pixels: np.ndarray, index: int = 0) -> np.ndarray:
    return augment(text).apply(pixels, draws.generator(1, index))


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 21, 30), np.uint8)


GREY = (np.arange(20 * 23, dtype=np.uint32) ** 2 % 251).astype(np.uint8).reshape(1, 20, 23)
OPENCV_CLAHE = ([28, 57, 71, 56, 62, 71, 70, 90], [255, 175, 72, 222, 126, 48, 191, 103], 64456)
"""What OpenCV 5.0 makes of it with a limit of 4: the begin of the first row, the end of the last, and the sum."""


def test_nothing_asked_for(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(changed("prob: 0.5", pixels), pixels)


def test_grey_in_three_channels(pixels: np.ndarray) -> None:
    got = changed("decolorize: true", pixels)
    exact = np.tensordot([0.114, 0.587, 0.299], pixels.astype(float), 1)
    assert np.abs(got - exact).max() < 0.51
    assert (got == got[0]).all()
    np.testing.assert_array_equal(changed("decolorize: true", GREY), GREY)


def test_blur(pixels: np.ndarray) -> None:
    got = changed("gauss_blur: true", pixels)
    exact = [ndimage.gaussian_filter(plane.astype(float), 1.5, radius=3, mode="mirror") for plane in pixels]
    assert np.abs(got - np.stack(exact)).max() < 2
    flat = np.full((3, 9, 9), 201, np.uint8)
    np.testing.assert_array_equal(changed("gauss_blur: true", flat), flat)


def test_equal_brightness() -> None:
    narrow = (GREY // 8 + 100).astype(np.uint8)
    got = changed("hist_eq: true", narrow)
    assert (got.min(), got.max()) == (0, 255)
    np.testing.assert_array_equal(np.argsort(got.ravel(), kind="stable"), np.argsort(narrow.ravel(), kind="stable"))
    cumulated = (narrow.ravel()[:, None] >= narrow.ravel()).sum(1) - (narrow == narrow.min()).sum()
    expected = np.rint(255 * cumulated / (narrow > narrow.min()).sum())
    np.testing.assert_array_equal(got.ravel(), expected)


def test_equal_brightness_keeps_colours(pixels: np.ndarray) -> None:
    grey = np.repeat(GREY // 8 + 100, 3, axis=0).astype(np.uint8)
    got = changed("hist_eq: true", grey)
    np.testing.assert_array_equal(got, np.repeat(changed("hist_eq: true", grey[:1]), 3, axis=0))
    brightness = noise.luma(changed("hist_eq: true", pixels // 4 + 90))
    assert np.ptp(brightness) > 3 * np.ptp(noise.luma(pixels // 4 + 90)) / 2


def test_one_colour_stays_as_it_is() -> None:
    flat = np.full((1, 5, 7), 44, np.uint8)
    np.testing.assert_array_equal(changed("hist_eq: true", flat), flat)


def test_equal_brightness_tile_by_tile() -> None:
    got = changed("clahe: true", GREY)[0]
    np.testing.assert_array_equal(got[0, :8], OPENCV_CLAHE[0])
    np.testing.assert_array_equal(got[19, 15:], OPENCV_CLAHE[1])
    assert int(got.astype(int).sum()) == OPENCV_CLAHE[2]


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (8, 8), (9, 40)])
def test_tiles_of_small_images(shape: tuple[int, int], rng: np.random.Generator) -> None:
    small = rng.integers(0, 256, (1, *shape), np.uint8)
    assert changed("clahe: true", small).shape == small.shape


def test_a_jpeg(pixels: np.ndarray) -> None:
    smooth = ndimage.gaussian_filter(pixels.astype(float), (0, 4, 4)).astype(np.uint8)
    fine, coarse = (np.abs(changed(f"jpeg: {quality}", smooth).astype(int) - smooth).mean() for quality in (95, 5))
    assert fine < 3 < coarse
    assert changed("jpeg: 50", GREY).shape == GREY.shape


def test_the_least_of_five() -> None:
    image = np.full((1, 5, 5), 200, np.uint8)
    image[0, 2, 2] = 7
    image[0, 0, 0] = 9
    expected = image.copy()
    expected[0, [1, 2, 2, 3], [2, 1, 3, 2]] = 7
    expected[0, [0, 1], [1, 0]] = 9
    np.testing.assert_array_equal(changed("erode: true", image), expected)


def test_four_levels_and_negative(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(np.unique(changed("posterize: true", pixels)), [32, 96, 160, 224])
    np.testing.assert_array_equal(changed("inverse: true", pixels), 255 - pixels)


def test_single_pixels(pixels: np.ndarray) -> None:
    text = "saltpepper: true saltpepper_param { fraction: 0.1 value: 1 value: 2 value: 3 }"
    got = changed(text, pixels)
    hit = (got == np.array([1, 2, 3])[:, None, None]).all(0)
    assert 40 < hit.sum() <= 63
    np.testing.assert_array_equal(got[:, ~hit], pixels[:, ~hit])
    assert (changed(text, pixels, 1) != got).any()
    grey = changed("saltpepper: true saltpepper_param { fraction: 1 value: 255 }", GREY)
    assert 0.5 < (grey == 255).mean() < 0.8  # of n drawn with repetition 1 - 1/e


def test_hue_saturation_and_value(pixels: np.ndarray) -> None:
    hue, saturation, value = changed("convert_to_hsv: true", pixels).astype(int)
    for i, (blue, green, red) in enumerate(pixels.reshape(3, -1).T / 255):
        exact = np.array(colorsys.rgb_to_hsv(red, green, blue)) * [180, 255, 255]
        got = np.array([part.ravel()[i] for part in (hue, saturation, value)])
        off = np.abs(got - exact)
        off[0] = min(off[0], 180 - off[0])
        assert off.max() < 0.6, (i, got, exact)


def test_the_order(pixels: np.ndarray) -> None:
    both = changed("inverse: true gauss_blur: true posterize: true", pixels)
    one = changed("inverse: true", changed("posterize: true", changed("gauss_blur: true", pixels)))
    np.testing.assert_array_equal(both, one)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("convert_to_lab: true", "noise_param has convert_to_lab"),
        ("saltpepper: true", "fraction: 0 and 0 values; give saltpepper_param"),
        ("saltpepper: true saltpepper_param { fraction: 2 value: 1 }", "fraction: 2 and 1 values"),
        ("saltpepper_param { value: 300 }", r"of value \[300.0\]; give values from 0 to 255"),
        ("jpeg: 101", "jpeg: 101; give a quality from 1 to 100"),
    ],
)
def test_what_makes_no_sense(text: str, said: str) -> None:
    with pytest.raises(LayerError, match=said):
        augment(text)


def test_what_does_not_fit_the_image(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="has 3 channels, and saltpepper_param 2 values"):
        changed("saltpepper: true saltpepper_param { fraction: 0.5 value: 1 value: 2 }", pixels)
    with pytest.raises(DataError, match="has 4 channels; noise_param is for images of 1 or 3"):
        changed("inverse: true", np.zeros((4, 5, 5), np.uint8))
