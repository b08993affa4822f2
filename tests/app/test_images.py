"""Images as a net's input: by the record, or as they are, with a warning."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.app.images import prepare
from caffe_sdk.errors import ArgumentError
from caffe_sdk.preprocessing import Preprocessing, plain
from tests.net.models import describe

COLOUR = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }"""
GREY = COLOUR.replace("dim: 3", "dim: 1")


def test_by_the_record(rng: np.random.Generator) -> None:
    record = Preprocessing((6, 6), (4, 4), "BGR", np.array([1, 2, 3], np.float32), 0.5)
    images = [rng.random((9, 7, 3), np.float32) for _ in range(2)]
    with caffe.Net(describe(COLOUR), caffe.TEST) as net:
        found = prepare(net, record, images)
    assert found.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(found[1], record.apply(images[1], (4, 4)))


def test_without_a_record_as_classifier_does(rng: np.random.Generator, caplog: pytest.LogCaptureFixture) -> None:
    image = rng.random((4, 4, 3), np.float32)
    with caffe.Net(describe(COLOUR), caffe.TEST) as net, caplog.at_level(logging.WARNING, "caffe_sdk"):
        found = prepare(net, None, [image])
    np.testing.assert_allclose(found[0], image.transpose(2, 0, 1), rtol=1e-6)
    assert "there is no record of preprocessing" in caplog.text
    assert plain(1).channels == "GRAY"
    with caffe.Net(describe(GREY), caffe.TEST) as net:
        assert prepare(net, None, [image]).shape == (1, 1, 4, 4)


def test_nets_and_images_that_do_not_fit() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    with caffe.Net(describe(COLOUR), caffe.TEST) as net:
        with pytest.raises(ArgumentError, match="0 images; it takes one or more"):
            prepare(net, Preprocessing(), [])
        with pytest.raises(ArgumentError, match=r"1 images of \(1, 4, 4\); it takes .* see the record's channels"):
            prepare(net, Preprocessing(channels="GRAY"), [image])
    flat = COLOUR.replace("dim: 4 dim: 4", "")
    with (
        caffe.Net(describe(flat), caffe.TEST) as net,
        pytest.raises(ArgumentError, match=r"the first input is 'data' of shape \(1, 3\)"),
    ):
        prepare(net, None, [image])
