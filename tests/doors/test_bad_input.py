"""Bad input gives the same code and words at every door, and whoever answers lives on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import caffe_sdk as caffe
from tests.doors import doors

GOOD = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 6 dim: 6 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 2 kernel_size: 3 } }
"""
DATABASE = """
layer { name: "digits" type: "Data" top: "data" data_param { source: "%s/no_such_leveldb" batch_size: 2 } }
"""

CASES: dict[str, tuple[str, str, str, list[str]]] = {
    "misspelt field": (
        GOOD.replace("num_output", "num_ouput"),
        "",
        "prototxt",
        ["net.prototxt:4:29", "unknown field 'num_ouput'", "did you mean 'num_output'"],
    ),
    "bottom nobody makes": (
        GOOD.replace('bottom: "data"', 'bottom: "date"'),
        "",
        "graph",
        ["net.prototxt", "Unknown bottom blob 'date' (layer 'conv1', bottom index 0)", "there are data"],
    ),
    "kernel larger than its input": (
        GOOD.replace("kernel_size: 3", "kernel_size: 11"),
        "",
        "shape",
        ["layer 'conv1' (Convolution)", "kernel (11, 11) does not fit input (6, 6) with pad (0, 0)"],
    ),
    "weights of another shape": (
        GOOD.replace("num_output: 2", "num_output: 5"),
        "good.caffemodel",
        "weights",
        ["good.caffemodel", "Cannot copy param 0 weights from layer 'conv1'", "2 1 3 3 (18)", "5 1 3 3 (45)", "rename"],
    ),
    "missing database": (
        DATABASE,
        "",
        "missing_file",
        ["layer 'digits' (Data)", "no_such_leveldb"],
    ),
    "truncated caffemodel": (
        GOOD,
        "cut.caffemodel",
        "corrupt_file",
        ["cut.caffemodel", "at byte", "cut short", "copy or download it again"],
    ),
}
DOORS: dict[str, Callable[[Path, Path | None], doors.Failure]] = {
    "command line": doors.cli_failure,
    "gRPC": doors.grpc_failure,
    "Octave": doors.octave_failure,
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_words_at_every_door(case: str, tmp_path: Path) -> None:
    text, weights_name, code, words = CASES[case]
    model = tmp_path / "net.prototxt"
    model.write_text(text % tmp_path if "%s" in text else text)
    weights = _weights(tmp_path, weights_name)

    failure = doors.python_failure(model, weights)
    assert failure[0] == code
    for part in words:
        assert part in failure[1]
    for door, fail in DOORS.items():
        assert fail(model, weights) == failure, door


def _weights(folder: Path, name: str) -> Path | None:
    """Weights of the good net, whole or cut short."""
    if not name:
        return None
    model = folder / "good.prototxt"
    model.write_text(GOOD)
    with caffe.Net(str(model), caffe.TEST) as net:
        net.save(folder / "good.caffemodel")
    if name == "cut.caffemodel":
        whole = (folder / "good.caffemodel").read_bytes()
        (folder / name).write_bytes(whole[: len(whole) - 40])
    return folder / name
