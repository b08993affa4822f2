"""What ``caffe summary`` says: the table of a net, what it lacks here, and whose weights it has."""

from __future__ import annotations

from pathlib import Path

import pytest

import caffe_sdk as caffe
from caffe_sdk.app.describe import describe
from caffe_sdk.errors import ArgumentError, MissingFileError, WeightsError

NET = """
name: "small"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        data_param { source: "nowhere" batch_size: 8 } transform_param { crop_size: 4 } }
layer { name: "input" type: "Input" top: "data" include { phase: TEST }
        input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 5 } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 3 }
        include { stage: "more" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "a" bottom: "label" top: "loss" include { phase: TRAIN } }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)


def test_a_phase_and_its_stages() -> None:
    text = describe("net.prototxt")
    assert "Net 'small' in phase TEST" in text
    assert "-> data 2 x 3 x 4 x 4" in text
    assert "a -> b 2 x 3" not in text
    assert "a -> b 2 x 3" in describe("net.prototxt", stages=["more"])


def test_data_that_is_not_here() -> None:
    text = describe("net.prototxt", "train")
    assert "-> data 8 x 3 x 4 x 4, label 8" in text
    assert text.endswith("layer 'data': 'nowhere' is not there; the shapes are what the layer states")
    Path("plain.prototxt").write_text(NET.replace("transform_param { crop_size: 4 }", ""))
    with pytest.raises(MissingFileError, match="nowhere"):
        describe("plain.prototxt", "train")


def test_weights_must_fit() -> None:
    with caffe.Net("net.prototxt", caffe.TEST) as net:
        net.save("a.caffemodel")
    text = describe("net.prototxt", weights="a.caffemodel", stages=["more"])
    assert text.endswith("a.caffemodel has weights for a; it has none for b")
    Path("other.prototxt").write_text(NET.replace("num_output: 5", "num_output: 4"))
    with pytest.raises(WeightsError, match="layer 'a'"):
        describe("other.prototxt", weights="a.caffemodel")


def test_phases_have_names() -> None:
    with pytest.raises(ArgumentError, match="'testing' is no phase"):
        describe("net.prototxt", "testing")
