"""One record of preprocessing beside a model, which everybody follows."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk import preprocessing
from caffe_sdk.cli import python_tools
from caffe_sdk.errors import ArgumentError, CorruptFileError, MissingFileError
from caffe_sdk.preprocessing import Preprocessing, find, from_transform, read, record_path
from caffe_sdk.proto import caffe_pb2
from caffe_sdk.schema import wire

MEAN = np.array([104, 117, 123], np.float32)
COLOR = {"version": 1, "resize": [4, 5], "crop": [2, 2], "channels": "BGR", "mean": [104, 117, 123], "scale": 0.5}


def write(path: Path, entries: Any) -> Path:
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture
def image(rng: np.random.Generator) -> Any:
    return rng.random((4, 5, 3)).astype(np.float32)


def small_net(folder: Path, channels: int = 3) -> Path:
    """A prototxt in a folder, of a net whose output is its input, flattened."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [4, channels, 2, 2]})
    n.flat = L.Flatten(n.data)
    (folder / "net.prototxt").write_text(str(n.to_proto()))
    return folder / "net.prototxt"


def test_a_record_says_how_images_are_prepared(tmp_path: Path, image: Any) -> None:
    record = read(write(tmp_path / "net.preprocessing.json", COLOR))
    expected = (image[1:3, 1:3, ::-1].transpose(2, 0, 1) * 255 - MEAN[:, None, None]) * 0.5
    np.testing.assert_allclose(record.apply(image, (2, 2)), expected, rtol=1e-5, atol=1e-4)
    assert record.prepare(image, (2, 2)).shape == (3, 4, 5)


def test_an_empty_record_does_nothing_but_what_caffe_does(tmp_path: Path, image: Any) -> None:
    record = read(write(tmp_path / "r.json", {"version": 1}))
    expected = caffe.io.resize_image(image, (2, 2))[:, :, ::-1].transpose(2, 0, 1) * 255
    np.testing.assert_allclose(record.apply(image, (2, 2)), expected, rtol=1e-5)


def test_grey_and_colour_become_each_other(image: Any) -> None:
    grey = Preprocessing(channels="GRAY").apply(image, (4, 5))
    np.testing.assert_allclose(grey[0], image @ [0.299, 0.587, 0.114] * 255, rtol=1e-4)
    color = Preprocessing(channels="RGB").apply(image[:, :, :1], (4, 5))
    np.testing.assert_allclose(color, np.repeat(image.transpose(2, 0, 1)[:1] * 255, 3, axis=0), rtol=1e-5)


def test_mean_images_lie_over_the_resized_image(tmp_path: Path, image: Any, rng: np.random.Generator) -> None:
    """As in training the mean is cut out where the image is, not made smaller."""
    mean = rng.random((3, 4, 5)).astype(np.float32) * 255
    record = Preprocessing((4, 5), (2, 2), "RGB", mean)
    expected = (image.transpose(2, 0, 1) * 255 - mean)[:, 1:3, 1:3]
    np.testing.assert_allclose(record.apply(image, (2, 2)), expected, rtol=1e-4, atol=1e-4)
    record.save(tmp_path / "net.preprocessing.json")
    again = read(tmp_path / "net.preprocessing.json")
    np.testing.assert_array_equal(again.mean, mean)
    wire.write_blob(tmp_path / "mean.binaryproto", wire.BlobArray(mean[None], legacy=True))
    entries = {"version": 1, "channels": "RGB", "mean_file": "mean.binaryproto"}
    np.testing.assert_array_equal(read(write(tmp_path / "r.json", entries)).mean, mean)
    with pytest.raises(ArgumentError, match=r"the mean is of \(4, 5\), and images are resized to \(2, 2\)"):
        Preprocessing(None, None, "RGB", mean).apply(image, (2, 2))


def test_a_record_survives_being_saved(tmp_path: Path) -> None:
    path = tmp_path / "net.preprocessing.json"
    Preprocessing((4, 5), (2, 2), "BGR", MEAN, 0.5).save(path)
    assert json.loads(path.read_text()) == COLOR
    again = read(path)
    assert (again.resize, again.crop, again.channels, again.scale) == ((4, 5), (2, 2), "BGR", 0.5)
    np.testing.assert_array_equal(again.mean, MEAN)


def test_records_lie_beside_models(tmp_path: Path) -> None:
    assert record_path("a/net.caffemodel") == "a/net.preprocessing.json"
    model, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    assert find(weights, model, None) is None
    write(tmp_path / "deploy.preprocessing.json", {"version": 1, "scale": 2})
    assert find(str(weights), model).scale == 2  # type: ignore[union-attr]
    write(tmp_path / "net.preprocessing.json", {"version": 1, "scale": 3})
    assert find(weights, model).scale == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "its version is 'list'"),
        ({"version": 2}, "its version is 2"),
        ({"version": 1, "size": 3}, "'size' is not known; the entries are version, resize"),
        ({"version": 1, "resize": 256}, r"'resize' is 256; give \[height, width\]"),
        ({"version": 1, "crop": [0, 2]}, r"'crop' is \[0, 2\]"),
        ({"version": 1, "channels": "BRG"}, "'channels' is 'BRG'; give one of BGR, RGB, GRAY"),
        ({"version": 1, "scale": True}, "'scale' is True; give a number"),
        ({"version": 1, "mean": [1, 2]}, "'mean' is .*; give a list of 3"),
        ({"version": 1, "mean": [1, 2, None]}, "'mean' is .*; give a list of 3"),
        ({"version": 1, "mean": [1, 2, 3], "mean_file": "m.npy"}, "give one of them"),
        ({"version": 1, "mean_file": 3}, "'mean_file' is 3"),
        ({"version": 1, "mean_file": "two.npy"}, r"holds an array of shape \(2,\); give \(3, height, width\)"),
        ({"version": 1, "mean_file": "text.npy"}, "text.npy: this is no array"),
    ],
)
def test_wrong_records(tmp_path: Path, entries: Any, words: str) -> None:
    np.save(tmp_path / "two.npy", np.zeros(2))
    (tmp_path / "text.npy").write_text("text")
    with pytest.raises(CorruptFileError, match=words):
        read(write(tmp_path / "r.json", entries))


def test_files_that_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(CorruptFileError, match="this is not JSON"):
        read(tmp_path / "r.json")
    with pytest.raises(MissingFileError):
        read(tmp_path / "none.json")
    with pytest.raises(MissingFileError, match="none"):
        read(write(tmp_path / "r.json", {"version": 1, "mean_file": "none.npy"}))


def test_images_that_do_not_fit(image: Any) -> None:
    record = Preprocessing((4, 5), (2, 2))
    with pytest.raises(ArgumentError, match=r"crops are \(2, 2\), and the net takes \(3, 3\)"):
        record.apply(image, (3, 3))
    with pytest.raises(ArgumentError, match="resize to no less"):
        Preprocessing((4, 5)).apply(image, (5, 5))
    with pytest.raises(ArgumentError, match="give grey or RGB"):
        Preprocessing().apply(np.zeros((2, 2, 4)), (2, 2))


# Those who follow it


def test_the_classifier_follows_it(tmp_path: Path, image: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = small_net(tmp_path)
    record = read(write(tmp_path / "net.preprocessing.json", COLOR))
    with caplog.at_level(logging.WARNING), caffe.Classifier(model, None) as net:
        assert list(net.image_dims) == [4, 5]
        predictions = net.predict([image, image / 2], oversample=False)
        ten = net.predict([image])
    np.testing.assert_allclose(predictions[0], record.apply(image, (2, 2)).ravel(), rtol=1e-5)
    whole = record.prepare(image, (2, 2)).transpose(1, 2, 0)
    crops = caffe.io.oversample([whole], (2, 2)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(ten[0], crops.mean(axis=0).ravel(), rtol=1e-4, atol=1e-3)
    assert caplog.text == ""


def test_arguments_that_say_the_same(tmp_path: Path, image: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = small_net(tmp_path)
    arguments: dict[str, Any] = {
        "image_dims": (4, 5), "mean": MEAN, "raw_scale": 255, "input_scale": 0.5, "channel_swap": (2, 1, 0)
    }  # fmt: skip
    with caffe.Classifier(model, None, **arguments) as net:
        expected = net.predict([image])
    write(tmp_path / "net.preprocessing.json", COLOR)
    with caplog.at_level(logging.WARNING), caffe.Classifier(model, None, **arguments) as net:
        np.testing.assert_array_equal(net.predict([image]), expected)
        assert net.preprocessing is None
    assert caplog.text == ""
    with caffe.Classifier(model, None) as net:
        np.testing.assert_allclose(net.predict([image]), expected, rtol=1e-4, atol=1e-3)


def test_warnings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = small_net(tmp_path)
    with caplog.at_level(logging.WARNING):
        caffe.Classifier(model, None).close()
        assert "RGB from 0 to 1; there is no record" in caplog.text
        assert "net.preprocessing.json" in caplog.text
        caplog.clear()
        write(tmp_path / "net.preprocessing.json", COLOR)
        caffe.Classifier(model, None, image_dims=(5, 5), mean=MEAN, raw_scale=1, channel_swap=(0, 1, 2)).close()
    assert "image_dims, channel_swap, raw_scale and input_scale, mean differ from the record" in caplog.text


def test_a_record_for_another_net(tmp_path: Path, image: Any) -> None:
    model = small_net(tmp_path, channels=1)
    write(tmp_path / "net.preprocessing.json", COLOR)
    with pytest.raises(ArgumentError, match="Mean channels incompatible"):
        caffe.Classifier(model, None)
    write(tmp_path / "net.preprocessing.json", {"version": 1, "channels": "GRAY", "crop": [3, 3]})
    with pytest.raises(ArgumentError, match="the record says that crops are"):
        caffe.Classifier(model, None)
    write(tmp_path / "net.preprocessing.json", {"version": 1, "channels": "GRAY"})
    with caffe.Classifier(model, None) as net:
        assert net.predict([image], oversample=False).shape == (1, 4)


def test_the_detector_follows_it(tmp_path: Path, rng: np.random.Generator) -> None:
    model = small_net(tmp_path)
    record = read(write(tmp_path / "net.preprocessing.json", {**COLOR, "resize": [2, 2]}))
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "photo.png")
    with caffe.Detector(model, None) as net:
        (found,) = net.detect_windows([(tmp_path / "photo.png", [(1, 2, 7, 8)])])
    part = caffe.io.load_image(tmp_path / "photo.png")[1:7, 2:8]
    np.testing.assert_allclose(found["prediction"], record.apply(part, (2, 2)).ravel(), rtol=1e-4, atol=1e-3)


def test_the_command_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.chdir(tmp_path)
    small_net(tmp_path)
    record = read(write(tmp_path / "net.preprocessing.json", COLOR))
    with caffe.Net("net.prototxt", caffe.TEST) as net:
        net.save("net.caffemodel")
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save("photo.png")
    flags = ["--model_def=net.prototxt", "--pretrained_model=net.caffemodel", "--center_only"]
    monkeypatch.setattr(sys, "argv", ["classify.py", "photo.png", "out.npy", *flags])
    assert python_tools.classify() == 0
    expected = record.apply(caffe.io.load_image("photo.png"), (2, 2))
    np.testing.assert_allclose(np.load("out.npy")[0], expected.ravel(), rtol=1e-5, atol=1e-4)


def test_records_of_training(tmp_path: Path) -> None:
    config = caffe_pb2.TransformationParameter(crop_size=24, scale=0.25, mean_value=[7])
    record = from_transform(config, 3, (28, 28))
    assert (record.resize, record.crop, record.channels, record.scale) == ((28, 28), (24, 24), "BGR", 0.25)
    assert record.mean is not None
    assert record.mean.tolist() == [7, 7, 7]
    mean = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    wire.write_blob(tmp_path / "m.binaryproto", wire.BlobArray(mean, legacy=True))
    record = from_transform(caffe_pb2.TransformationParameter(mean_file=str(tmp_path / "m.binaryproto")), 1)
    np.testing.assert_array_equal(record.mean, mean[0])  # type: ignore[arg-type]
    assert (record.channels, record.crop) == ("GRAY", None)
    with pytest.raises(ArgumentError, match="images of 4 channels"):
        from_transform(config, 4)


def test_squeezenet_by_its_record(shared: Path, tmp_path: Path) -> None:
    """With a record beside links to the model a photo ends in nearly Caffe's numbers, without further arguments."""
    folder = shared / "models" / "squeezenet_v1.0"
    for name in ("SqueezeNet_deploy.prototxt", "squeezenet_v1.0.caffemodel"):
        (tmp_path / name).symlink_to(folder / name)
    Preprocessing((256, 256), (227, 227), "BGR", MEAN).save(tmp_path / "squeezenet_v1.0.preprocessing.json")
    with np.load(folder / "cat.caffe_ref.npz") as stored:
        expected = stored["out:pool_final"].ravel()
    photo = caffe.io.load_image(shared / "models" / "cat.jpg")
    model, weights = tmp_path / "SqueezeNet_deploy.prototxt", tmp_path / "squeezenet_v1.0.caffemodel"
    with caffe.Classifier(model, weights) as net:
        scores = net.predict([photo], oversample=False).ravel()
    assert np.abs(scores - expected).max() < 0.01 * expected.max()
    assert preprocessing.find(weights) is not None
