"""One record of preprocessing, and one photo gives the same probabilities through every door."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk import client
from caffe_sdk.cli.main import main
from caffe_sdk.client import ServerFile
from caffe_sdk.errors import ArgumentError, CorruptFileError
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.server import Options, start
from tests.doors import doors

DEPLOY = """
name: "photos"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
NAMES = ("a.png", "b.png", "c.png")


@pytest.fixture
def files(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, Path, list[Path]]:
    """A model, its weights with a record beside them, and photos of several sizes, one of them grey."""
    model, weights = tmp_path / "deploy.prototxt", tmp_path / "photos.caffemodel"
    model.write_text(DEPLOY)
    with caffe.Net(model, caffe.TEST) as net:
        net.save(weights)
    for name, shape in zip(NAMES, [(12, 10, 3), (8, 8, 3), (9, 14)], strict=True):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / name)
    mean = rng.random((3, 8, 8), np.float32) * 200
    Preprocessing((8, 8), (6, 6), "BGR", mean, 0.02).save(tmp_path / "photos.preprocessing.json")
    return model, weights, [tmp_path / name for name in NAMES]


def by_classifier(model: Path, weights: Path, photos: list[Path]) -> doors.Array:
    with caffe.Classifier(str(model), str(weights)) as net:
        return np.asarray(net.predict([caffe.io.load_image(photo) for photo in photos], oversample=False))


def by_command(model: Path, weights: Path, photos: list[Path]) -> doors.Array:
    images = [word for photo in photos for word in ("-image", str(photo))]
    out = weights.parent / "prob.npy"
    assert main(["predict", "-model", str(model), "-weights", str(weights), *images, "-output", f"prob={out}"]) == 0
    return np.asarray(np.load(out))


def by_octave(model: Path, weights: Path, photos: list[Path]) -> doors.Array:
    if shutil.which("octave-cli") is None:
        pytest.skip("octave-cli is not installed; make test installs it")
    names = ", ".join(f"caffe.io.load_image('{photo}')" for photo in photos)
    program = f"""
        net = caffe.Net('{model}', '{weights}', 'test');
        data = net.preprocess({{{names}}});
        net.blobs('data').reshape(size(data));
        results = net.forward({{data}});
        prob = results{{1}}; save('-v7', 'prob.mat', 'prob');
    """
    printed = doors.run_octave(weights.parent, program)
    (weights.parent / "octave.txt").write_text(printed)
    return np.asarray(scipy.io.loadmat(weights.parent / "prob.mat")["prob"].T)


def test_the_same_probabilities_through_every_door(files: tuple[Path, Path, list[Path]]) -> None:
    model, weights, photos = files
    expected = by_classifier(*files)
    assert expected.shape == (3, 4)
    assert np.ptp(expected) > 0.01
    found = {"command line": by_command(*files), "Octave": by_octave(*files)}
    options = Options(address="127.0.0.1:0", models=str(weights.parent))
    with start(options) as server, client.connect(server.address) as connection:
        sent = connection.net(model, "test", weights=weights)  # the record goes along
        found["gRPC"] = sent.predict(photos)["prob"]
        found["gRPC, bytes"] = sent.predict([photo.read_bytes() for photo in photos], ["fc"])["prob"]
        there = connection.net(ServerFile("deploy.prototxt"), "test", weights=ServerFile("photos.caffemodel"))
        found["gRPC, files of the server"] = there.predict(photos)["prob"]
    for door, probabilities in found.items():
        np.testing.assert_allclose(probabilities, expected, atol=2e-6, err_msg=door)


def test_without_a_record_every_door_warns(
    files: tuple[Path, Path, list[Path]], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    model, weights, photos = files
    (weights.parent / "photos.preprocessing.json").unlink()
    expected = by_classifier(*files)
    np.testing.assert_allclose(by_command(*files), expected, atol=2e-6)
    assert "there is no record of preprocessing" in capfd.readouterr().err
    logging.getLogger("caffe_sdk").propagate = True
    with start(Options(address="127.0.0.1:0")) as server, client.connect(server.address) as connection:
        caplog.clear()
        net = connection.net(model, "test", weights=weights)
        np.testing.assert_allclose(net.predict(photos)["prob"], expected, atol=2e-6)
        told = {record.name for record in caplog.records if "there is no record" in record.getMessage()}
        assert told == {"caffe_sdk.client.description", "caffe_sdk.app.images"}
        with pytest.raises(CorruptFileError, match="image: this is not an image"):
            net.predict([b"no image"])
        with pytest.raises(ArgumentError, match="0 images"):
            net.predict([])
        with pytest.raises(ArgumentError, match="no blob 'probs'"):
            net.predict(photos, ["probs"])
    np.testing.assert_allclose(by_octave(*files), expected, atol=2e-6)
    assert "Warning: there is no record of preprocessing" in (weights.parent / "octave.txt").read_text()
