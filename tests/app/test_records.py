"""Records of preprocessing from what a training says of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.app.records import write_record
from caffe_sdk.cli.main import main
from caffe_sdk.errors import ArgumentError
from tests.net.models import describe

TRAINED = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        transform_param { crop_size: 227 mean_value: 1 } data_param { source: "db" batch_size: 1 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { crop_size: 6 scale: 0.5 mean_value: 104 mean_value: 117 mean_value: 123 }
        data_param { source: "db" batch_size: 1 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 3 } }
"""
LISTED = TRAINED.replace('"Data"', '"ImageData"').replace(
    'data_param { source: "db"', 'image_data_param { source: "list" new_height: 9 new_width: 8'
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    deploy = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } } '
    with caffe.Net(describe(deploy + TRAINED[TRAINED.index('layer { name: "conv"') :]), caffe.TEST) as net:
        net.save(tmp_path / "w.caffemodel")
    return tmp_path / "w.caffemodel"


def written(folder: Path, text: str) -> Path:
    (folder / "train_val.prototxt").write_text(text)
    return folder / "train_val.prototxt"


def test_the_record_is_that_of_the_test_phase(tmp_path: Path, weights: Path) -> None:
    path = write_record(written(tmp_path, TRAINED), weights, (256, 255))
    assert json.loads(Path(path).read_text()) == {
        "version": 1,
        "resize": [256, 255],
        "crop": [6, 6],
        "channels": "BGR",
        "mean": [104, 117, 123],
        "scale": 0.5,
    }
    found: Any = caffe.preprocessing.find(weights)
    np.testing.assert_array_equal(found.mean, [104, 117, 123])


def test_lists_of_images_say_their_size(tmp_path: Path, weights: Path) -> None:
    record = json.loads(Path(write_record(written(tmp_path, LISTED), weights)).read_text())
    assert record["resize"] == [9, 8]


def test_by_the_command(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(written(tmp_path, TRAINED.replace(" mean_value: 117 mean_value: 123", "")))
    command = ["record", model, "-weights", str(weights)]
    assert main([*command, "-resize", "256,256", "-channels", "1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{tmp_path / 'w.preprocessing.json'}:\n{{")
    assert '"GRAY"' in told
    assert main([*command, "-resize", "256"]) == 2
    assert "'256' is no size; give HEIGHT,WIDTH" in capsys.readouterr().err


def test_models_and_weights_that_do_not_say(tmp_path: Path, weights: Path) -> None:
    deploy = written(tmp_path, 'layer { name: "data" type: "Input" top: "data" }')
    with pytest.raises(ArgumentError, match=r"no layer of type Data, .*; give the net that was trained"):
        write_record(deploy, weights)
    with caffe.Net(
        describe('layer { name: "p" type: "DummyData" top: "p" dummy_data_param { shape { dim: 1 } } }'), 1
    ) as net:
        net.save(tmp_path / "empty.caffemodel")
    with pytest.raises(ArgumentError, match="the channels of images are not to be seen; say -channels"):
        write_record(written(tmp_path, TRAINED), tmp_path / "empty.caffemodel")
