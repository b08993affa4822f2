"""A net in a line per layer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caffe_sdk.app.outline import outline
from caffe_sdk.errors import MissingFileError

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        param { lr_mult: 2 decay_mult: 0 } param { name: "b" }
        convolution_param { num_output: 8 kernel_size: 5 stride: 2 pad: 1 group: 2 } }
layer { name: "wide" type: "Convolution" bottom: "conv" top: "wide" param { }
        convolution_param { num_output: 4 kernel_h: 1 kernel_w: 7 } }
layer { name: "pool" type: "Pooling" bottom: "wide" top: "pool" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "all" type: "Pooling" bottom: "pool" top: "all" pooling_param { global_pooling: true } }
layer { name: "own" type: "Python" bottom: "all" bottom: "elsewhere" top: "loss" loss_weight: 0.5
        python_param { module: "mine" layer: "Loss" } }
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return path


def plain(text: str) -> list[str]:
    return re.sub(r"\033\[[\d;]+m", "", text).splitlines()


def test_rows(model: Path) -> None:
    lines = [re.sub(" +", " ", line) for line in plain(outline(model))]
    assert lines == [
        "data Input -> data",
        "conv Convolution (x2 Dx0, b) data -> conv 5/2+1 8/2",
        "wide Convolution conv -> wide 1x7 4",
        "pool Pooling wide -> pool 3/2",
        "all Pooling pool -> all global",
        "own mine.Loss all, elsewhere -> 0.5 * loss",
    ]


def test_columns_are_aligned_and_long_words_reach_over(model: Path) -> None:
    arrows = {line.index("->") for line in plain(outline(model))}
    assert len(arrows) == 1
    assert len({line.index("->") for line in plain(outline(model, 8))}) > 1


def test_colours(model: Path) -> None:
    text = outline(model)
    assert text.count("\033[92mdata\033[0m") == 2
    assert "\033[41melsewhere\033[0m" in text  # made by no layer
    assert "0.5 * \033[1;4mloss" in text  # read by none


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        outline(tmp_path / "none.prototxt")


def test_real_models(shared: Path) -> None:
    text = outline(shared / "prototxt" / "BVLC+caffe" / "models" / "bvlc_alexnet" / "train_val.prototxt")
    rows = [re.sub(" +", " ", line) for line in plain(text)]
    assert "conv1 Convolution (, x2 Dx0) data -> conv1 11/4 96" in rows
    assert "conv2 Convolution (, x2 Dx0) pool1 -> conv2 5+2 256/2" in rows
