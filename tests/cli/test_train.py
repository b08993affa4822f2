"""``caffe train``: the flags that Caffe does not have, signals, and what it writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.cli.main import main
from caffe_sdk.data.databases import write_arrays

NET = """
name: "small"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 8 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST } }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 max_iter: 20 display: 10
test_iter: 2 test_interval: 10 snapshot: 5 snapshot_prefix: "small" random_seed: 1 solver_mode: CPU
"""
TRAIN = ["train", "-solver", "solver.prototxt"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a small net, its solver and a LevelDB of three classes."""
    monkeypatch.chdir(tmp_path)
    labels = np.arange(30) % 3
    images = np.zeros((30, 1, 2, 2), np.uint8)
    images.reshape(30, 4)[np.arange(30), labels] = 200
    write_arrays("db", images, labels)
    for name, text in (("net", NET), ("solver", SOLVER)):
        Path(f"{name}.prototxt").write_text(text)
    return tmp_path


def test_keeping_the_best_and_the_last(folder: Path) -> None:
    assert main([*TRAIN, "-keep_last", "1", "--keep_best", "--watch=accuracy:min"]) == 0
    assert sorted(path.name for path in folder.glob("*.solverstate")) == [
        "small_iter_0.solverstate",
        "small_iter_20.solverstate",
    ]


def test_the_log_is_what_caffes_own_parser_looks_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The patterns of the original parse_log, and the columns that the original extract_seconds reads."""
    assert main(TRAIN) == 0
    lines = capfd.readouterr().err.splitlines()
    text = "\n".join(lines)
    number = r"([\.\deE+-]+)"
    assert re.findall(r"Iteration (\d+), Testing net", text) == ["0", "10", "20"]
    assert re.findall(r"Iteration (\d+) \(", text) == ["0", "10"]
    for pattern, count in (
        (rf"Train net output #(\d+): (loss) = {number} \(\* 1 = {number} loss\)", 2),
        (rf"Test net output #(\d+): (\S+) = {number}", 6),
        (r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)", 2),
    ):
        assert len(re.findall(pattern, text)) == count
    for line in lines:
        date, time, *_ = line.split()
        assert 1 <= int(date[1:3]) <= 12
        assert 1 <= int(date[3:]) <= 31
        assert len([int(part) for part in re.split("[:.]", time)]) == 4
    assert any("Solving small" in line for line in lines)


def test_patience(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 20", "max_iter: 1000"))
    assert main([*TRAIN, "-patience", "3"]) == 0
    text = capsys.readouterr().err
    assert "Stopping early: accuracy was best (1) at iteration 10" in text
    assert "Optimization stopped early." in text


def test_finetuning_with_layers_of_other_shapes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(TRAIN) == 0
    Path("net.prototxt").write_text(NET.replace("num_output: 3", "num_output: 5"))
    tune = [*TRAIN, "-weights", "small_iter_20.caffemodel"]
    capsys.readouterr()
    assert main(tune) == 4
    assert "weights: small_iter_20.caffemodel: Cannot copy param 0" in capsys.readouterr().err
    assert main([*tune, "--skip_mismatch"]) == 0
    text = capsys.readouterr().err
    assert "Weights of small_iter_20.caffemodel: 0 copied, 0 new, 0 ignored, 1 mismatched" in text
    assert "  fc     mismatched  3x4, 3  5x4, 5" in text


def test_metrics(folder: Path) -> None:
    assert main([*TRAIN, "-metrics", "m.jsonl", "--metrics=m.csv", "--tensorboard", "board"]) == 0
    rows = [json.loads(line) for line in Path("m.jsonl").read_text().splitlines()]
    assert [(row["phase"], row["iteration"]) for row in rows] == [
        ("test", 0),
        ("train", 0),
        ("test", 10),
        ("train", 10),
        ("test", 20),
    ]
    assert "accuracy" in rows[0]
    assert len(Path("m.csv").read_text().splitlines()) == 1 + sum(len(row) - 4 for row in rows)
    assert len(list(Path("board").iterdir())) == 1


def test_wishes_that_make_no_sense(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "-watch", "acuracy"]) == 2
    assert "use one of accuracy, loss, with :min or :max behind it" in capsys.readouterr().err


def test_a_control_file_of_before(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ask").write_text("stop")
    assert main([*TRAIN, "-control", "ask"]) == 2
    assert "control: the file ask is there already" in capsys.readouterr().err
