"""The SSD fork's changes of images, against their definition and the colour circle of the standard library."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest

from caffe_sdk.data import augment, draws
from caffe_sdk.data.augment import Augment
from caffe_sdk.data.datum import Record
from caffe_sdk.data.resize import resize
from caffe_sdk.data.transform import Transform
from caffe_sdk.errors import DataError, LayerError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import TRAIN, ResizeParameter, TransformationParameter


def param(text: str) -> Any:
    return prototxt.parse(text, TransformationParameter)


def changed(text: str, pixels: np.ndarray, index: int = 0) -> np.ndarray:
    return Augment(param(text), "here").apply(pixels, draws.generator(1, index))


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 6, 9), np.uint8)


def test_nothing_asked_for(pixels: np.ndarray) -> None:
    assert not Augment.wanted(param("crop_size: 3"))
    np.testing.assert_array_equal(changed("distort_param {}", pixels), pixels)


# -- another size ----------------------------------------------------------------------------------------------------


def test_warp(pixels: np.ndarray) -> None:
    got = changed("resize_param { height: 12 width: 5 }", pixels)
    np.testing.assert_array_equal(got, resize(pixels, 12, 5))


@pytest.mark.parametrize("mode", ["LINEAR", "AREA", "NEAREST", "CUBIC", "LANCZOS4"])
def test_kinds_of_interpolation(mode: str) -> None:
    flat = np.full((3, 6, 9), 77, np.uint8)
    got = changed(f"resize_param {{ height: 3 width: 20 interp_mode: {mode} }}", flat)
    np.testing.assert_array_equal(got, np.full((3, 3, 20), 77))


def test_one_of_the_kinds_is_drawn(pixels: np.ndarray) -> None:
    text = "resize_param { height: 3 width: 3 interp_mode: NEAREST interp_mode: LINEAR interp_mode: AREA }"
    assert len({changed(text, pixels, index).tobytes() for index in range(40)}) == 3


@pytest.mark.parametrize(
    ("mode", "shape", "expected"),
    [
        ("FIT_SMALL_SIZE", (6, 9), (10, 15)),
        ("FIT_SMALL_SIZE", (9, 6), (15, 10)),
        ("FIT_LARGE_SIZE_AND_PAD", (6, 9), (10, 10)),
        ("FIT_LARGE_SIZE_AND_PAD", (9, 6), (10, 10)),
    ],
)
def test_fitted_sizes(mode: str, shape: tuple[int, int], expected: tuple[int, int]) -> None:
    text = f"resize_param {{ height: 10 width: 10 resize_mode: {mode} pad_value: 5 pad_value: 6 pad_value: 7 }}"
    got = changed(text, np.full((3, *shape), 200, np.uint8))
    assert got.shape == (3, *expected)
    if mode == "FIT_LARGE_SIZE_AND_PAD":
        margin = got[:, 0, :] if shape[1] > shape[0] else got[:, :, 0]
        np.testing.assert_array_equal(margin, np.tile([[5], [6], [7]], 10))
        assert (got[:, 5, 5] == 200).all()


@pytest.mark.parametrize("mode", ["MIRRORED", "REPEAT_NEAREST"])
def test_margins_of_what_is_there(mode: str, pixels: np.ndarray) -> None:
    got = changed(f"resize_param {{ height: 9 width: 9 resize_mode: FIT_LARGE_SIZE_AND_PAD pad_mode: {mode} }}", pixels)
    assert got.shape == (3, 9, 9)
    np.testing.assert_array_equal(got[:, 1:7], pixels)
    np.testing.assert_array_equal(got[:, 0], pixels[:, 1 if mode == "MIRRORED" else 0])


def test_probability(pixels: np.ndarray) -> None:
    sizes = [changed("resize_param { prob: 0.3 height: 2 width: 2 }", pixels, i).shape[1] for i in range(200)]
    assert 30 < sizes.count(2) < 90


def test_canvas(pixels: np.ndarray) -> None:
    text = "mean_value: 104 mean_value: 117 mean_value: 123 expand_param { prob: 1 max_expand_ratio: 4 }"
    shapes = set()
    for index in range(30):
        got = changed(text, pixels, index)
        shapes.add(got.shape)
        windows = np.lib.stride_tricks.sliding_window_view(got, (6, 9), axis=(1, 2))
        assert (windows == pixels[:, None, None]).all((0, 3, 4)).any()
        if got.shape[1] > 6 and got.shape[2] > 9:
            corners = got[:, [0, 0, -1, -1], [0, -1, 0, -1]]
            assert (corners == [[104], [117], [123]]).all(0).sum() >= 3
    assert len(shapes) > 10


@pytest.mark.parametrize(
    ("text", "heights", "widths"),
    [
        ("img_rand_resize_lower: 3 img_rand_resize_upper: 5", {3, 4, 5}, {4, 5, 6, 7, 8}),  # 6 x 9: half as wide again
        ("img_rand_resize_lower: 8 img_rand_resize_upper: 8", {6}, {9}),  # may not grow
        ("img_rand_resize_lower: 8 img_rand_resize_upper: 8 allow_upscale: true", {8}, {12}),
        ("img_rand_resize_lower: 1 img_rand_resize_upper: 2 crop_size: 4", {4}, {4}),
        ("rand_resize_ratio_lower: 1 rand_resize_ratio_upper: 1.0001", {6}, {6}),
        ("vertical_stretch_lower: 0.5 vertical_stretch_upper: 0.5", {3}, {9}),
        ("horizontal_stretch_lower: 2 horizontal_stretch_upper: 2 allow_upscale: true", {6}, {18}),
    ],
)
def test_sizes_at_random(pixels: np.ndarray, text: str, heights: set[int], widths: set[int]) -> None:
    assert Augment.wanted(param(text))
    shapes = [changed(text, pixels, index).shape for index in range(30)]
    assert {shape[1] for shape in shapes} == heights
    assert {shape[2] for shape in shapes} <= widths


def test_a_square_gets_longer_either_way() -> None:
    square = np.zeros((3, 8, 8), np.uint8)
    text = "rand_resize_ratio_lower: 1.5 rand_resize_ratio_upper: 1.5001 allow_upscale: true"
    assert {changed(text, square, index).shape[1:] for index in range(20)} == {(8, 12), (12, 8)}


def test_interpolation_of_sizes_at_random(pixels: np.ndarray) -> None:
    """One kind where no side grows, another one where one does; NEAREST and CUBIC if nothing is said."""
    half = "img_rand_resize_lower: 3 img_rand_resize_upper: 3"
    np.testing.assert_array_equal(
        changed(f"{half} interpolation_algo_down: INTER_LINEAR", pixels), resize(pixels, 3, 5)
    )
    assert set(changed(half, pixels).ravel()) <= set(pixels.ravel())
    twice = "img_rand_resize_lower: 12 img_rand_resize_upper: 12 allow_upscale: true"
    linear = changed(f"{twice} interpolation_algo_up: INTER_LINEAR", pixels)
    np.testing.assert_array_equal(linear, resize(pixels, 12, 18))
    assert (changed(twice, pixels) != linear).any()


@pytest.mark.parametrize("text", ["img_rand_resize_lower: 3", "img_rand_resize_lower: 3 img_rand_resize_upper: 2"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(LayerError, match="give both, the lower one first"):
        Augment(param(text), "here")


def test_where_it_is_computed_changes_nothing() -> None:
    assert not Augment.wanted(param("use_gpu_transform: true"))


# -- colours ---------------------------------------------------------------------------------------------------------


def test_hue_and_saturation_are_those_of_the_colour_circle(pixels: np.ndarray) -> None:
    for saturation, hue in ((1.0, 20.0), (0.4, -50.0), (1.7, 0.0), (0.0, 5.0)):
        got = augment._in_hsv(pixels.astype(np.float32), saturation, hue)
        for y in range(6):
            for x in range(9):
                h, s, v = colorsys.rgb_to_hsv(*(pixels[::-1, y, x] / 255))
                expected = colorsys.hsv_to_rgb((h + hue / 180) % 1, min(s * saturation, 1), v)
                np.testing.assert_allclose(got[::-1, y, x] / 255, expected, atol=1e-5)


def test_brightness_and_contrast() -> None:
    flat = np.full((3, 2, 2), 100, np.uint8)
    bright = {
        int(changed("distort_param { brightness_prob: 1 brightness_delta: 32 }", flat, i)[0, 0, 0]) for i in range(99)
    }
    assert min(bright) >= 68
    assert max(bright) <= 132
    assert len(bright) > 30
    text = "distort_param { contrast_prob: 1 contrast_lower: 0.5 contrast_upper: 1.5 }"
    contrast = {int(changed(text, flat, i)[0, 0, 0]) for i in range(99)}
    assert min(contrast) >= 50
    assert max(contrast) <= 150
    assert len(contrast) > 40


def test_the_channels_change_places() -> None:
    flat = np.arange(3, dtype=np.uint8)[:, None, None] + np.zeros((3, 2, 2), np.uint8)
    orders = {tuple(changed("distort_param { random_order_prob: 1 }", flat, i)[:, 0, 0]) for i in range(60)}
    assert len(orders) == 6
    grey = flat[:1]
    np.testing.assert_array_equal(
        changed("distort_param { random_order_prob: 1 hue_prob: 1 hue_delta: 9 }", grey), grey
    )


def test_whites_stay_in_range(rng: np.random.Generator) -> None:
    text = """distort_param { brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5
        contrast_upper: 1.5 hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5
        saturation_upper: 1.5 random_order_prob: 0.1 }"""
    pixels = rng.choice(np.uint8([0, 255]), (3, 4, 5))
    results = [changed(text, pixels, index) for index in range(40)]
    assert len({result.tobytes() for result in results}) > 15
    assert all(result.dtype == np.uint8 for result in results)


# -- within the transform ----------------------------------------------------------------------------------------------


def test_the_transform_crops_what_was_resized_and_repeats_itself(pixels: np.ndarray) -> None:
    text = "resize_param { height: 20 width: 30 } distort_param { hue_prob: 1 hue_delta: 18 } crop_h: 20 crop_w: 25"
    transform = Transform(param(text), TRAIN, "here")
    cuts = [transform.cut(Record(pixels.shape, pixels, 0, index=7), seed) for seed in (3, 3, 4)]
    assert {cut.shape for cut in cuts} == {(3, 20, 25)}
    np.testing.assert_array_equal(cuts[0].pixels, cuts[1].pixels)
    assert not np.array_equal(cuts[0].pixels, cuts[2].pixels)


def test_the_transform_that_ssd_trains_with() -> None:
    text = """mirror: true mean_value: 104 mean_value: 117 mean_value: 123
        resize_param { prob: 1 resize_mode: WARP height: 30 width: 30
          interp_mode: LINEAR interp_mode: AREA interp_mode: NEAREST interp_mode: CUBIC interp_mode: LANCZOS4 }
        emit_constraint { emit_type: CENTER }
        distort_param { brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5
          contrast_upper: 1.5 hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5
          saturation_upper: 1.5 random_order_prob: 0 }
        expand_param { prob: 0.5 max_expand_ratio: 4 }"""
    transform = Transform(param(text), TRAIN, "here")
    flat = np.full((3, 20, 25), 117, np.uint8)
    out = np.empty((3, 30, 30), np.float32)
    for index in range(30):
        cut = transform.cut(Record(flat.shape, flat, 0, index=index), 1)
        assert cut.shape == (3, 30, 30)
        transform.put(cut, out)
        assert np.isfinite(out).all()


def test_floats_cannot_be_changed(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="holds float32"):
        changed("resize_param { height: 2 width: 2 }", pixels.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resize_param { height: 3 }", "resize_param of size 3 x 0"),
        ("expand_param { max_expand_ratio: 0.5 }", "max_expand_ratio: 0.5"),
        ("distort_param { contrast_lower: 2 contrast_upper: 1 }", "contrast_lower: 2, contrast_upper: 1"),
        ("distort_param { saturation_lower: -1 }", "saturation_lower: -1, saturation_upper: 0"),
    ],
)
def test_settings_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        Transform(param(text), TRAIN, "layer 'data'")
    assert ResizeParameter().resize_mode == ResizeParameter.WARP


# -- sizes and parts at random, Intel's --------------------------------------------------------------------------------


def test_the_shorter_side_at_random(pixels: np.ndarray) -> None:
    text = "crop_size: 4 random_resize_param { min_size: 5 max_size: 8 }"
    shapes = {changed(text, pixels, index).shape for index in range(60)}
    assert shapes == {(3, 5, 7), (3, 6, 9), (3, 7, 10), (3, 8, 12)}
    stands = np.ascontiguousarray(pixels.transpose(0, 2, 1))
    assert changed("crop_size: 4 random_resize_param { min_size: 8 max_size: 8 }", stands).shape == (3, 12, 8)
    free = {min(changed("crop_size: 4 random_resize_param {}", pixels, index).shape[1:]) for index in range(80)}
    assert free == {6, 7, 8, 9}


def test_a_part_at_random(rng: np.random.Generator) -> None:
    """Of a picture whose values say where they are: the parts have areas and shapes from the whole range."""
    rows, columns = np.mgrid[0:120, 0:200].astype(np.uint8)
    picture = np.stack([rows, columns, rows])
    text = (
        "crop_size: 40 random_aspect_ratio_param { min_area_ratio: 0.1 max_area_ratio: 0.3 aspect_ratio_change: 0.75 }"
    )
    areas, shapes = [], []
    for index in range(200):
        part = changed(text, picture, index).astype(float)
        assert part.shape == (3, 40, 40)
        tall, wide = (np.ptp(part[axis]) * 40 / 39 for axis in (0, 1))
        areas.append(tall * wide / picture[0].size)
        shapes.append(tall / wide)
    assert 0.08 < min(areas) < 0.13
    assert 0.27 < max(areas) < 0.33
    assert 0.5 < min(shapes) < 0.65
    assert 1.5 < max(shapes) < 2


def test_where_no_part_fits(pixels: np.ndarray) -> None:
    text = "crop_size: 3 random_aspect_ratio_param { min_area_ratio: 4 max_area_ratio: 5 }"
    np.testing.assert_array_equal(changed(text, pixels), resize(pixels, 3, 4))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("random_resize_param {}", "has no crop_size"),
        ("crop_size: 2 random_resize_param {} random_aspect_ratio_param {}", "give one of them"),
        ("crop_size: 9 random_resize_param { max_size: 8 }", "from 0 to 8, crop_size 9"),
        ("crop_size: 2 random_resize_param { min_size: 9 max_size: 8 }", "from 9 to 8"),
        ("crop_size: 2 random_aspect_ratio_param { min_area_ratio: 0 }", "area ratios from 0 to 1"),
        ("crop_size: 2 random_aspect_ratio_param { aspect_ratio_change: 2 }", "aspect_ratio_change: 2"),
    ],
)
def test_sizes_at_random_that_make_no_sense(text: str, said: str) -> None:
    with pytest.raises(LayerError, match=said):
        Augment(param(text), "here")
