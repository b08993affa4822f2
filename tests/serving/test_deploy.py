"""From a version's files to a net: of any age, with all of its weights, and for inference."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.errors import CaffeError, CorruptFileError, FileError, GraphError, LayerError, WeightsError
from caffe_sdk.serving.deploy import Deployed, deploy
from caffe_sdk.serving.folder import files_of
from tests.serving.models import SMALL, put

OLD = """
name: "old" input: "data" input_dim: 10 input_dim: 3 input_dim: 8 input_dim: 8
layers { layer { name: "fc" type: "innerproduct" num_output: 5 weight_filler { type: "xavier" } }
         bottom: "data" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""
DATA = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 8 } }'


def deployed(folder: Path) -> Deployed:
    return deploy(files_of(folder))


def test_the_batch_of_the_description_decides_nothing(tmp_path: Path) -> None:
    found = deployed(put(tmp_path))
    assert found.inputs[0].shape == (-1, 3, 8, 8)
    assert found.free
    assert found.together


def test_prototxt_of_the_oldest_kind(tmp_path: Path) -> None:
    assert deployed(put(tmp_path, text=OLD)).outputs[0].shape == (-1, 5)


def test_a_net_that_takes_one_shape_only(tmp_path: Path) -> None:
    reshaped = (
        'layer { name: "r" type: "Reshape" bottom: "data" top: "r" reshape_param { shape { dim: 10 dim: 192 } } }'
    )
    found = deployed(
        put(
            tmp_path,
            text=SMALL.replace('bottom: "data"', 'bottom: "r"', 1)
            .replace('layer { name: "conv"', reshaped + 'layer { name: "conv"')
            .replace("Convolution", "InnerProduct")
            .replace("convolution_param { num_output: 4 kernel_size: 3", "inner_product_param { num_output: 4"),
        )
    )
    assert found.inputs[0].shape == (10, 3, 8, 8)
    assert not found.free


def test_items_that_cannot_be_told_apart_are_not_put_together(tmp_path: Path) -> None:
    flat = 'layer { name: "sum" type: "Reduction" bottom: "data" top: "sum" }'
    found = deployed(put(tmp_path, text=SMALL.split('layer { name: "conv"')[0] + flat))
    assert found.outputs[0].shape == ()
    assert found.free
    assert not found.together


def test_labels_and_record(tmp_path: Path) -> None:
    folder = put(tmp_path)
    (folder / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    (folder / "small.preprocessing.json").write_text('{"version": 1, "crop": [8, 8], "scale": 0.5}')
    found = deployed(folder)
    assert found.labels == ("a", "b", "c", "d", "e")
    assert found.record is not None
    assert found.record.scale == 0.5


def refused(folder: Path, kind: type[CaffeError], words: str) -> None:
    with pytest.raises(kind, match=words):
        deployed(folder)


def test_a_net_for_training_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path)
    (folder / "deploy.prototxt").write_text(DATA + SMALL.split("\n", 3)[3])
    refused(folder, GraphError, r"deploy\.prototxt: layer 'data': reads data of its own \(Data\).*give a deploy net")


def test_a_net_without_all_of_its_weights_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path)
    (folder / "deploy.prototxt").write_text(SMALL.replace('"fc"', '"fc_new"'))
    refused(folder, WeightsError, "there are no weights for layer 'fc_new' of deploy.prototxt")
    (folder / "small.caffemodel").unlink()
    refused(folder, WeightsError, "there are no weights, and 2 layers need some")


def test_half_of_the_weights_are_refused(tmp_path: Path) -> None:
    folder = put(tmp_path)
    whole = (folder / "small.caffemodel").read_bytes()
    for size in (0, len(whole) // 3, len(whole) * 9 // 10):
        (folder / "small.caffemodel").write_bytes(whole[:size])
        with pytest.raises((CorruptFileError, WeightsError)):
            deployed(folder)


def test_code_and_files_elsewhere_are_refused(tmp_path: Path) -> None:
    python = 'layer { name: "p" type: "Python" bottom: "fc" top: "p" python_param { module: "os" layer: "L" } }'
    folder = put(tmp_path)
    (folder / "deploy.prototxt").write_text(SMALL + python)
    refused(folder, LayerError, "layer 'p': runs code of its own")
    loss = 'layer { name: "l" type: "InfogainLoss" bottom: "prob" top: "l" infogain_loss_param { source: "../m" } }'
    (folder / "deploy.prototxt").write_text(SMALL + loss)
    refused(folder, FileError, "it is outside the models folder")


def test_a_net_without_inputs_is_refused(tmp_path: Path) -> None:
    folder = put(
        tmp_path, text='layer { name: "one" type: "Parameter" top: "one" parameter_param { shape { dim: 1 } } }'
    )
    refused(folder, GraphError, "the net has no input; begin it with an Input layer")
