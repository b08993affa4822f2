"""The transform against its definition, with both kernels, and against BVLC Caffe's own numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.data import datum
from caffe_sdk.data import kernels as selection
from caffe_sdk.data.datum import Record
from caffe_sdk.data.transform import Transform
from caffe_sdk.errors import DataError, LayerError, MissingFileError, ShapeError
from caffe_sdk.schema.messages import TEST, TRAIN, BlobProto, TransformationParameter


@pytest.fixture(params=["numba", "numpy"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both implementations of the pass; the second is what is used where Numba is missing."""
    if request.param == "numpy":
        monkeypatch.setitem(sys.modules, "caffe_sdk.data.kernels_numba", None)
        monkeypatch.delattr("caffe_sdk.data.kernels_numba", raising=False)
    selection.kernels.cache_clear()
    assert selection.kernels().__name__.endswith(request.param)
    yield str(request.param)
    selection.kernels.cache_clear()


def made(phase: int = TEST, **fields: Any) -> Transform:
    return Transform(TransformationParameter(**fields), phase, "layer 'data' (Data)")


def apply(a_transform: Transform, pixels: np.ndarray, index: int = 0, seed: int = 0) -> np.ndarray:
    record = Record(pixels.shape, pixels, 0, index=index)
    cut = a_transform.cut(record, seed)
    out = np.full(cut.shape, np.nan, np.float32)
    a_transform.put(cut, out)
    return out


def write_mean(path: Path, mean: np.ndarray) -> str:
    shape = dict(zip(("num", "channels", "height", "width"), (1, *mean.shape), strict=True))
    path.write_bytes(BlobProto(data=mean.ravel().tolist(), **shape).SerializeToString())
    return str(path)


@pytest.fixture(params=[np.uint8, np.float32])
def pixels(request: pytest.FixtureRequest, rng: np.random.Generator) -> np.ndarray:
    array = (rng.random((3, 9, 12)) * 255).astype(request.param)
    array.flags.writeable = False
    return array


@pytest.mark.usefixtures("kernels")
class TestNumbers:
    def test_nothing_asked_for(self, pixels: np.ndarray) -> None:
        np.testing.assert_array_equal(apply(made(), pixels), pixels.astype(np.float32))

    def test_scale_and_values(self, pixels: np.ndarray) -> None:
        values = np.array([10.5, 20, 30], np.float32)
        scale = np.float32(0.0125)
        for mean_value, mean in ([[10.5, 20, 30], values], [[7], np.full(3, 7, np.float32)]):
            want = (pixels.astype(np.float32) - mean[:, None, None]) * scale
            np.testing.assert_array_equal(apply(made(scale=0.0125, mean_value=mean_value), pixels), want)

    def test_mean_file_is_subtracted_where_the_pixel_was(
        self, pixels: np.ndarray, rng: np.random.Generator, tmp_path: Path
    ) -> None:
        mean = rng.random((3, 9, 12)).astype(np.float32)
        a_transform = made(mean_file=write_mean(tmp_path / "mean", mean), crop_size=4, scale=2)
        want = (pixels.astype(np.float32) - mean)[:, 2:6, 4:8] * np.float32(2)
        np.testing.assert_array_equal(apply(a_transform, pixels), want)

    def test_crop_is_in_the_middle_at_test(self, pixels: np.ndarray) -> None:
        np.testing.assert_array_equal(apply(made(crop_size=6), pixels), pixels[:, 1:7, 3:9].astype(np.float32))

    def test_crop_that_is_no_square(self, pixels: np.ndarray) -> None:
        got = apply(made(crop_h=4, crop_w=7), pixels)
        np.testing.assert_array_equal(got, pixels[:, 2:6, 2:9].astype(np.float32))
        with pytest.raises(ShapeError, match="crop_size 4 x 13 is larger than the record, 9 x 12"):
            made(crop_h=4, crop_w=13).output_shape((3, 9, 12))

    def test_crop_is_anywhere_in_training(self, pixels: np.ndarray) -> None:
        a_transform = made(TRAIN, crop_size=8)
        windows = np.lib.stride_tricks.sliding_window_view(pixels, (8, 8), axis=(1, 2)).astype(np.float32)
        found = set()
        for index in range(200):
            got = apply(a_transform, pixels, index)
            place = [(y, x) for y in range(2) for x in range(5) if np.array_equal(got, windows[:, y, x])]
            assert len(place) == 1
            found.add(place[0])
        assert len(found) == 10

    @pytest.mark.parametrize("phase", [TRAIN, TEST])
    def test_mirror_turns_half_of_them_in_both_phases(self, phase: int, pixels: np.ndarray) -> None:
        a_transform = made(phase, mirror=True, mean_value=[1, 2, 3])
        plain = apply(made(mean_value=[1, 2, 3]), pixels)
        turned = 0
        for index in range(200):
            got = apply(a_transform, pixels, index)
            turned += np.array_equal(got, plain[..., ::-1])
            assert np.array_equal(got, plain) or np.array_equal(got, plain[..., ::-1])
        assert 70 < turned < 130

    def test_mirror_with_crop_and_mean_file(self, pixels: np.ndarray, tmp_path: Path) -> None:
        mean = np.arange(3 * 9 * 12, dtype=np.float32).reshape(3, 9, 12)
        fields = {"mean_file": write_mean(tmp_path / "mean", mean), "crop_size": 5}
        plain, mirrored = apply(made(**fields), pixels), made(mirror=True, **fields)
        got = [apply(mirrored, pixels, index) for index in range(20)]
        assert any(np.array_equal(one, plain[..., ::-1]) for one in got)
        assert all(np.array_equal(one, plain) or np.array_equal(one, plain[..., ::-1]) for one in got)

    def test_chance_is_seed_and_index(self, pixels: np.ndarray) -> None:
        a_transform = made(TRAIN, crop_size=3, mirror=True)
        batch = [apply(a_transform, pixels, index, 5) for index in range(100, 120)]
        alone = [apply(made(TRAIN, crop_size=3, mirror=True), pixels, index, 5) for index in range(119, 99, -1)]
        np.testing.assert_array_equal(batch, alone[::-1])
        others = [apply(a_transform, pixels, index, 6) for index in range(100, 120)]
        assert not np.array_equal(others, batch)

    def test_pixels_of_an_image_need_no_copy(self, rng: np.random.Generator) -> None:
        """Decoders give (height, width, channels); the record is a view of it with other strides."""
        pixels = rng.integers(0, 256, (9, 12, 3), np.uint8).transpose(2, 0, 1)
        got = apply(made(crop_size=6, mean_value=[4]), pixels)
        np.testing.assert_array_equal(got, pixels[:, 1:7, 3:9].astype(np.float32) - 4)


def test_shapes_need_no_file() -> None:
    assert made(mean_file="nowhere").output_shape((3, 9, 12)) == (3, 9, 12)
    assert made(crop_size=9).output_shape((3, 9, 12)) == (3, 9, 9)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mean_file": "m", "mean_value": [1]}, "both mean_file and mean_value"),
        ({"force_color": True, "force_gray": True}, "both force_color and force_gray"),
        ({"crop_size": 3, "crop_h": 4, "crop_w": 5}, "has crop_size, and crop_h or crop_w"),
        ({"crop_h": 4}, "crop_h: 4, crop_w: 0"),
    ],
)
def test_contradictions(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(LayerError, match=words) as caught:
        made(**fields)
    assert str(caught.value).startswith("layer 'data' (Data)")


def test_shapes_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="crop_size 10 is larger than the record, 9 x 12"):
        made(crop_size=10).output_shape((3, 9, 12))
    with pytest.raises(ShapeError, match="2 mean_values for 3 channels"):
        made(mean_value=[1, 2]).output_shape((3, 9, 12))
    mean = write_mean(tmp_path / "mean", np.zeros((3, 9, 9), np.float32))
    with pytest.raises(DataError, match=r"is 3 x 9 x 12, but .*mean is 3 x 9 x 9"):
        made(mean_file=mean).check((3, 9, 12))
    with pytest.raises(MissingFileError, match="nowhere"):
        made(mean_file="nowhere").check((3, 9, 12))


def test_mean_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "mean"
    path.write_bytes(BlobProto(data=[1.0, 2.0], num=2, channels=1, height=1, width=1).SerializeToString())
    with pytest.raises(ShapeError, match=r"shape \(2, 1, 1, 1\)"):
        made(mean_file=str(path)).check((1, 1, 1))


def test_forced_colour(tmp_path: Path) -> None:
    from .test_images import encoded

    record = datum.parse(datum.encode_image(encoded(np.full((4, 5), 9, np.uint8)), 1))
    assert made(force_color=True).pixels(record).shape == (3, 4, 5)
    record = datum.parse(datum.encode_image(encoded(np.full((4, 5, 3), 9, np.uint8)), 1))
    assert made(force_gray=True).pixels(record).shape == (1, 4, 5)
    assert record.shape == (1, 4, 5)
    record = datum.parse(datum.encode_image(b"no image", 1))
    with pytest.raises(DataError, match="image"):
        made().pixels(record)
