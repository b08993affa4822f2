"""Detector: windows of images, with context around them, are what the net is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.errors import ArgumentError


def small_net(size: int = 6) -> Any:
    """A net whose output is its input."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, size, size]})
    n.out = L.Power(n.data)
    return n.to_proto()


@pytest.fixture
def photo(tmp_path: Path, rng: np.random.Generator) -> tuple[str, Any]:
    pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png"), caffe.io.load_image(tmp_path / "photo.png")


def test_each_window_goes_through_the_net(photo: tuple[str, Any]) -> None:
    filename, image = photo
    windows = [np.array(w) for w in [(2, 3, 8, 9), (0, 0, 20, 30), (5, 5, 7, 25)]]
    with caffe.Detector(small_net(), None, raw_scale=255, channel_swap=(2, 1, 0)) as net:
        found = net.detect_windows(zip([filename, filename], [windows[:2], windows[2:]], strict=True))
    assert [each["filename"] for each in found] == [filename] * 3
    for each, window in zip(found, windows, strict=True):
        assert each["window"] is window
        part = image[window[0] : window[2], window[1] : window[3]]
        expected = caffe.io.resize_image(part, (6, 6))[:, :, ::-1].transpose(2, 0, 1) * 255
        np.testing.assert_allclose(each["prediction"], expected, atol=1e-3)


def test_no_windows_no_detections(photo: tuple[str, Any]) -> None:
    with caffe.Detector(small_net(), None) as net:
        assert net.detect_windows([]) == net.detect_windows([(photo[0], [])]) == []


def test_selective_search_gives_the_windows(
    photo: tuple[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    windows = np.array([[0, 0, 12, 10], [1, 1, 9, 9], [2, 3, 8, 9]])
    monkeypatch.setattr("caffe_sdk.detector.selective_search", lambda image: windows)
    monkeypatch.chdir(tmp_path)
    with caffe.Detector(small_net(), None) as net:
        found = net.detect_selective_search(["photo.png"])
        again = net.detect_windows([(photo[0], windows)])
    assert [each["filename"] for each in found] == [photo[0]] * 3  # absolute, as in pycaffe
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a["window"], b["window"])
        np.testing.assert_array_equal(a["prediction"], b["prediction"])


def test_context_shows_what_is_around(photo: tuple[str, Any]) -> None:
    """The window takes 4 of 6 pixels, so half as much again is shown: half a window of 2 around (10, 14) becomes 3."""
    _, image = photo
    with caffe.Detector(small_net(), None, context_pad=1) as net:
        np.testing.assert_allclose(net.crop(image, [8, 12, 11, 15]), image[7:13, 11:17], rtol=1e-5)
        net.configure_crop(None)
        np.testing.assert_array_equal(net.crop(image, [8, 12, 11, 15]), image[8:11, 12:15])


def test_outside_of_the_image_is_the_mean(photo: tuple[str, Any]) -> None:
    _, image = photo
    mean = np.array([10.0, 20.0, 30.0])  # blue, green, red, from 0 to 255
    with caffe.Detector(small_net(8), None, mean, raw_scale=255, channel_swap=(2, 1, 0), context_pad=2) as net:
        crop = net.crop(np.ones_like(image), [0, 0, 7, 7])
        np.testing.assert_allclose(crop[0, 0], [30 / 255, 20 / 255, 10 / 255], rtol=1e-6)
        np.testing.assert_allclose(crop[-1, -1], 1)
        ready = net.transformer.preprocess("data", crop)
        np.testing.assert_allclose(ready[:, 0, 0], 0, atol=1e-4)


def test_a_mean_image_pads_too(photo: tuple[str, Any]) -> None:
    mean = np.arange(3 * 64, dtype=float).reshape(3, 8, 8)
    with caffe.Detector(small_net(8), None, mean, context_pad=2) as net:
        crop = net.crop(photo[1], [0, 0, 5, 5])
        np.testing.assert_allclose(crop[0], mean[:, 0].T)


def test_what_cannot_be_cropped(photo: tuple[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="context_pad 3 leaves nothing of an input 6 wide; give 0 to 2"):
        caffe.Detector(small_net(), None, context_pad=3)
    with caffe.Detector(small_net(), None, context_pad=1) as net:
        for window in [(20, 0, 25, 5), (-5, 0, 0, 5), (4, 4, 4, 8)]:
            with pytest.raises(ArgumentError, match="shows nothing of an image of 20 x 30"):
                net.crop(photo[1], window)
