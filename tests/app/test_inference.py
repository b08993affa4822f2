"""Items in any form through a net of a session, in batches of any size, give what the net alone gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk.app import inference
from caffe_sdk.app.inference import Input, first_input, prepared, softmax
from caffe_sdk.app.session import Session
from caffe_sdk.errors import ArgumentError, ShapeError
from caffe_sdk.preprocessing import Preprocessing

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 3 dim: 3 dim: 2 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4
        weight_filler { type: "xavier" } } }
layer { name: "sum" type: "Reduction" bottom: "ip" top: "sum" }
"""
RECORD = Preprocessing(None, None, "BGR", np.array([1, 2, 3], np.float32), 0.1)


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def net(session: Session) -> int:
    return session.create_net(text=NET, preprocessing=RECORD)


def by_hand(session: Session, net: int, pixels: Any) -> Any:
    weights, bias = session.get_blobs(net, [("ip", 0), ("ip", 1)])
    inputs = (pixels[:, ::-1] - RECORD.mean[:, None, None]) * 0.1  # type: ignore[index]
    return inputs.reshape(len(pixels), -1) @ weights.T + bias


@pytest.mark.parametrize("batch", [None, 1, 2, 7, 100])
def test_arrays_in_batches(session: Session, net: int, rng: np.random.Generator, batch: int | None) -> None:
    pixels = rng.integers(0, 256, (7, 3, 2, 4), np.uint8)
    found = inference.run(session, net, pixels, ["ip"], batch)["ip"]
    np.testing.assert_allclose(found, by_hand(session, net, pixels.astype(np.float32)), rtol=1e-4)
    assert session.blob_shape(net, "data")[0] == min(7, batch or 7)


def test_files(session: Session, net: int, rng: np.random.Generator, tmp_path: Path) -> None:
    pixels = rng.integers(0, 256, (2, 2, 4, 3), np.uint8)
    names = [str(tmp_path / f"{i}.png") for i in range(2)]
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image).save(name)
    found = inference.run(session, net, names, ["ip"])["ip"]
    wanted = by_hand(session, net, pixels.transpose(0, 3, 1, 2).astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_pixels_of_the_right_size_stay_exact() -> None:
    pixels = np.arange(24, dtype=np.float32).reshape(1, 3, 2, 4) / 7
    record = Preprocessing(channels="RGB")
    np.testing.assert_array_equal(prepared(Input("data", (1, 3, 2, 4)), record, pixels), pixels)


def test_what_is_no_image_is_shifted_and_scaled() -> None:
    record = Preprocessing(None, None, "BGR", np.array([1, 2], np.float32), 2)
    rows = prepared(Input("data", (5, 2)), record, np.array([[1, 2], [3, 5]]))
    np.testing.assert_array_equal(rows, [[0, 0], [4, 6]])
    maps = prepared(Input("data", (5, 2, 1, 1)), record, np.array([[[[1]], [[4]]]]))
    np.testing.assert_array_equal(maps, [[[[0]], [[4]]]])
    for target, items in ((Input("data", (5, 3)), np.ones((2, 2))), (Input("data", (5, 3, 2, 2)), np.ones((2, 3)))):
        with pytest.raises(ArgumentError, match="items of shape"):
            prepared(target, record, items)


def test_grey_images_for_a_net_of_colour_and_back() -> None:
    grey = np.full((1, 1, 2, 2), 100, np.uint8)
    assert prepared(Input("data", (1, 3, 2, 2)), Preprocessing(), grey).tolist() == [[[[100] * 2] * 2] * 3]
    with pytest.raises(ArgumentError, match="items of shape"):
        prepared(Input("data", (1, 1, 2, 2)), Preprocessing(), grey)


def test_without_a_record_pixels_are_from_0_to_1(
    session: Session, caplog: pytest.LogCaptureFixture, rng: np.random.Generator
) -> None:
    net = session.create_net(text=NET)
    pixels = rng.integers(0, 256, (2, 3, 2, 4), np.uint8)
    found = inference.run(session, net, pixels, ["data"])["data"]
    np.testing.assert_allclose(found, pixels / 255, rtol=1e-6)
    assert "there is no record of preprocessing" in caplog.text


def test_what_cannot_be(session: Session, net: int) -> None:
    with pytest.raises(ArgumentError, match="there are none"):
        inference.run(session, net, [])
    with pytest.raises(ArgumentError, match="batches of -1"):
        inference.run(session, net, ["a.png"], batch=-1)
    with pytest.raises(ShapeError, match="blob 'sum'"):
        inference.run(session, net, np.ones((2, 3, 2, 4)))
    trained = session.create_net(text=NET.replace("Input", "DummyData").replace("input_param", "dummy_data_param"))
    with pytest.raises(ArgumentError, match="it reads its data itself"):
        first_input(session.describe_net(trained))


def test_softmax() -> None:
    with caffe.Net(caffe.net_spec.to_proto(caffe.layers.Softmax(caffe.layers.Input(shape={"dim": [2, 3]}))), 1) as net:
        scores = np.array([[1, 2, 1000], [0, 0, 0]], np.float32)
        np.testing.assert_allclose(softmax(scores), next(iter(net.forward(**{net.inputs[0]: scores}).values())))
