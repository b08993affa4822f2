"""Classifier: predictions for images are those of the net for what Caffe would have fed it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.errors import ArgumentError

MEAN = np.array([104.0, 117.0, 123.0])


def small_net(shape: tuple[int, ...] = (4, 3, 2, 2)) -> Any:
    """A net whose output is its input, flattened."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": shape})
    n.flat = L.Flatten(n.data)
    return n.to_proto()


@pytest.fixture
def image(rng: np.random.Generator) -> Any:
    return rng.random((4, 5, 3)).astype(np.float32)


def test_without_oversampling_the_centre_is_shown(image: Any) -> None:
    with caffe.Classifier(
        small_net(), None, image_dims=(4, 5), mean=MEAN, raw_scale=255, channel_swap=(2, 1, 0), input_scale=0.5
    ) as net:
        predictions = net.predict([image, image / 2], oversample=False)
    centre = image[1:3, 1:3, ::-1].transpose(2, 0, 1)
    expected = (centre * 255 - MEAN[:, None, None]) / 2
    assert predictions.shape == (2, 12)
    np.testing.assert_allclose(predictions[0], expected.ravel(), rtol=1e-5, atol=1e-4)


def test_oversampling_takes_the_mean_of_ten_crops(image: Any) -> None:
    with caffe.Classifier(small_net(), None, image_dims=(4, 5)) as net:
        predictions = net.predict([image, image / 2, image / 4])
    crops = caffe.io.oversample([image], (2, 2)).transpose(0, 3, 1, 2)
    assert predictions.shape == (3, 12)
    for prediction, scale in zip(predictions, (1, 2, 4), strict=True):
        np.testing.assert_allclose(prediction, crops.mean(axis=0).ravel() / scale, rtol=1e-5)


def test_images_of_any_sizes_are_resized(image: Any) -> None:
    with caffe.Classifier(small_net(), None) as net:
        assert list(net.image_dims) == [2, 2]
        predictions = net.predict([image, image[:2, :2]], oversample=False)
    np.testing.assert_allclose(predictions[0], caffe.io.resize_image(image, (2, 2)).transpose(2, 0, 1).ravel())
    np.testing.assert_allclose(predictions[1], image[:2, :2].transpose(2, 0, 1).ravel(), rtol=1e-6)


def test_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"image_dims are \[1, 4\]; give .* at least \[2, 2\]"):
        caffe.Classifier(small_net(), None, image_dims=(1, 4))
    with pytest.raises(ArgumentError, match=r"'data' of shape \(4, 3\)"):
        caffe.Classifier(small_net((4, 3)), None)
    with pytest.raises(ArgumentError, match="the net has no input"):
        caffe.Classifier(L.DummyData(shape={"dim": [1, 2, 3, 4]}).to_proto(), None)
    with caffe.Classifier(small_net(), None, channel_swap=(2, 1, 0)) as net:
        with pytest.raises(ArgumentError, match="there are no images"):
            net.predict([])
        with pytest.raises(ArgumentError, match="give an image of 3 channels"):
            net.predict([np.random.rand(4, 5, 1)])


@pytest.fixture(scope="module")
def squeezenet(shared: Path) -> Path:
    return shared / "models" / "squeezenet_v1.0"


def test_squeezenet_as_caffe_fed_it(squeezenet: Path) -> None:
    """What Caffe's own preprocessing made, given back as an image, ends in Caffe's numbers."""
    with np.load(squeezenet / "cat.caffe_ref.npz") as stored:
        fed, expected = stored["input"], stored["out:pool_final"]
    image = (fed[0] + MEAN[:, None, None])[::-1].transpose(1, 2, 0) / 255
    with caffe.Classifier(
        squeezenet / "SqueezeNet_deploy.prototxt",
        squeezenet / "squeezenet_v1.0.caffemodel",
        mean=MEAN,
        raw_scale=255,
        channel_swap=(2, 1, 0),
    ) as net:
        predictions = net.predict([image.astype(np.float32)], oversample=False)
    assert np.abs(predictions - expected).max() < 1e-4 * np.abs(expected).max()


def test_squeezenet_knows_the_cat(shared: Path, squeezenet: Path) -> None:
    """From the file on: nearly Caffe's numbers, and its five best classes."""
    with np.load(squeezenet / "cat.caffe_ref.npz") as stored:
        expected = stored["out:pool_final"].ravel()
    photo = caffe.io.load_image(shared / "models" / "cat.jpg")
    model, weights = squeezenet / "SqueezeNet_deploy.prototxt", squeezenet / "squeezenet_v1.0.caffemodel"
    with caffe.Classifier(str(model), str(weights), (256, 256), MEAN, None, 255, (2, 1, 0)) as net:
        centre = net.predict([photo], oversample=False).ravel()
        mean = net.predict([photo]).ravel()
    assert np.abs(centre - expected).max() < 0.01 * expected.max()
    assert set(np.argsort(centre)[-5:]) == set(np.argsort(expected)[-5:])
    assert mean.shape == (1000,)
    assert np.argmax(mean) in np.argsort(expected)[-5:]
