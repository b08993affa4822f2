"""Windows of an image through a net of a session give what a Detector gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk.app.session import Session
from caffe_sdk.app.windows import proposals, scores, strongest
from caffe_sdk.errors import ArgumentError
from caffe_sdk.preprocessing import Preprocessing

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3
        weight_filler { type: "xavier" } } }
"""
MEAN = np.array([10, 20, 30], np.float32)
WINDOWS = np.array([[0, 0, 12, 20], [3, 5, 30, 9], [10, 2, 19, 39]])


@pytest.mark.parametrize("pad", [0, 2])
def test_it_is_what_a_detector_gives(tmp_path: Path, rng: np.random.Generator, pad: int) -> None:
    photo = rng.integers(0, 256, (31, 42, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    (tmp_path / "net.prototxt").write_text(NET)
    files = str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel")
    with caffe.Net(files[0], caffe.TEST) as net:
        net.save(files[1])
    with caffe.Detector(*files, MEAN, None, 255, (2, 1, 0), pad) as detector:
        found = detector.detect_windows([(tmp_path / "photo.png", WINDOWS)])
    session = Session()
    held = session.create_net(files[0], weights=files[1], preprocessing=Preprocessing(None, None, "BGR", MEAN))
    got = scores(session, held, photo.astype(np.float32), WINDOWS, pad)
    np.testing.assert_allclose(got, [each["prediction"] for each in found], rtol=1e-3, atol=1e-3)


def test_windows_that_cannot_be() -> None:
    session = Session()
    net = session.create_net(text=NET)
    with pytest.raises(ArgumentError, match="shows nothing of an image of 5 x 5"):
        scores(session, net, np.ones((5, 5, 3), np.float32), np.array([[7, 7, 9, 9]]))
    with pytest.raises(ArgumentError, match="less than half"):
        scores(session, net, np.ones((5, 5, 3), np.float32), np.array([[0, 0, 2, 2]]), 3)


def test_the_strongest_of_windows_that_overlap() -> None:
    windows = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 8, 10, 18], [50, 50, 60, 60]])
    strength = np.array([0.5, 0.9, 0.1, 0.3])
    assert strongest(windows, strength, 0.5).tolist() == [1, 3, 2]
    assert strongest(windows, strength, 0.01).tolist() == [1, 3]
    assert strongest(windows, strength, 1).tolist() == [1, 0, 3, 2]
    assert strongest(windows[:0], strength[:0], 0.5).tolist() == []


def test_windows_are_proposed_where_something_is() -> None:
    image = np.zeros((40, 50, 3), np.float32)
    image[10:30, 15:35] = 255
    found = proposals(image)
    assert found.shape[1] == 4
    assert np.abs(found - [10, 15, 30, 35]).sum(axis=1).min() <= 8
