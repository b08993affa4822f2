"""The command line: the original's flags, its log lines, and an exit status for every error."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import caffe_sdk as caffe
from caffe_sdk import logs
from caffe_sdk.cli import __main__ as module
from caffe_sdk.cli import (
    arrays,
    bar,
    check,
    data,
    device_query,
    flags,
    predict,
    progress,
    record,
    serve,
    summary,
    test,
    train,
)
from caffe_sdk.cli import time as time_command
from caffe_sdk.cli.main import main
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.errors import ArgumentError, CorruptFileError
from caffe_sdk.solver.events import Iteration, Testing

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "train": train,
    "test": test,
    "time": time_command,
    "device_query": device_query,
    "summary": summary,
    "check": check,
    "predict": predict,
    "record": record,
    "data": data,
    "serve": serve,
}

NET = """
name: "small"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 8 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST } }
"""
DEPLOY = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 1 dim: 2 dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 max_iter: 20 display: 10
test_iter: 2 test_interval: 10 snapshot: 10 snapshot_prefix: "small" random_seed: 1 solver_mode: CPU
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a small net, its solver and a LevelDB of three classes."""
    monkeypatch.chdir(tmp_path)
    labels = np.arange(30) % 3
    images = np.zeros((30, 1, 2, 2), np.uint8)
    images.reshape(30, 4)[np.arange(30), labels] = 200
    write_arrays("db", images, labels)
    for name, text in (("net", NET), ("deploy", DEPLOY), ("solver", SOLVER)):
        Path(f"{name}.prototxt").write_text(text)
    return tmp_path


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_the_module_is_the_command() -> None:
    assert module.main is main


def test_no_command_prints_usage_and_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "usage: caffe" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_a_module(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, *(["mnist"] if name == "data" else []), "--help"])
    assert end.value.code == 0
    assert f"usage: caffe {name}" in capsys.readouterr().out
    assert callable(COMMANDS[name].run)


@pytest.mark.parametrize(
    "words",
    [
        ["-solver", "s", "-weights", "a,b", "-iterations", "3", "-stage", "x,y"],
        ["--solver=s", "--weights=a,b", "--iterations=3", "--stage=x,y"],
        ["-solver=s", "-weights=a,b", "-iterations=3", "-stage=x,y"],
    ],
)
def test_flags_with_one_dash_or_two_space_or_equals(words: list[str]) -> None:
    options = flags.make_parser().parse_args(["train", *words])
    assert (options.solver, options.weights, options.iterations) == ("s", "a,b", 3)
    assert flags.stages(options) == ["x", "y"]


def test_train_then_test_then_resume(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--solver=solver.prototxt"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert all(re.match(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.py:\d+\] ", line) for line in lines)
    text = "\n".join(lines)
    for part in (
        "Use CPU.",
        "Solving small",
        "Iteration 10, Testing net (#0)",
        "Snapshotting to",
        "Optimization Done.",
    ):
        assert part in text
    assert re.search(r"Iteration 10 \([\d.]+ iter/s, [\d.]+s/10 iters\), loss = ", text)
    assert sorted(p.name for p in folder.glob("small_iter_20*")) == [
        "small_iter_20.caffemodel",
        "small_iter_20.solverstate",
        "small_iter_20_resume.json",
    ]

    weights = ["-weights", "small_iter_20.caffemodel"]
    assert main(["test", "-model", "net.prototxt", *weights, "-iterations", "3"]) == 0
    scored = capsys.readouterr().err
    assert "Running for 3 iterations." in scored
    assert re.search(r"Batch 2, accuracy = [\d.]+", scored)
    assert re.search(r"\] accuracy = [\d.]+$", scored, re.MULTILINE)
    assert re.search(r"\] loss = \S+ \(\* 1 = \S+ loss\)$", scored, re.MULTILINE)

    whole = Path("small_iter_20.caffemodel").read_bytes()
    assert main(["train", "-solver", "solver.prototxt", "-snapshot", "small_iter_10.solverstate"]) == 0
    assert Path("small_iter_20.caffemodel").read_bytes() == whole


def test_time_tells_every_layer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["time", "-model", "net.prototxt", "-iterations", "2", "-phase", "TRAIN"]) == 0
    text = capsys.readouterr().err
    for name in ("data", "fc", "loss"):
        assert re.search(rf"{name}\tforward: [\d.e-]+ ms\.", text)
        assert re.search(rf"{name}\tbackward: [\d.e-]+ ms\.", text)
    for words in ("Average Forward pass: ", "Average Backward pass: ", "Average Forward-Backward: ", "Total Time: "):
        assert words in text
    assert re.search(r"Peak, measured by a product of matrices: [\d.]+ GFLOP/s\.", text)
    assert re.search(r"[\d.]+ ms +[\d.]+ GFLOP/s +\d+%  fc: \w+", text)
    assert text.index("Total Time") < text.index("Steps of the compiled net forward") < text.index("Benchmark ends")


def test_device_query_tells_what_computes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device_query"]) == 0
    facts = capsys.readouterr().out
    assert "Engine:" in facts
    assert caffe.__version__ in facts


def test_predict_reads_and_writes_arrays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with caffe.Net("deploy.prototxt", caffe.TEST) as net:
        net.params["fc"][0].data[...] = np.eye(3, 4)
        net.save("deploy.caffemodel")
    images = np.random.default_rng(0).normal(size=(10, 1, 2, 2)).astype(np.float32)
    np.save("in.npy", images)
    scipy.io.savemat("in.mat", {"x": images.T})
    common = ["predict", "-model", "deploy.prototxt", "-weights", "deploy.caffemodel"]
    assert main([*common, "-input", "data=in.npy", "-output", "prob=out.npy", "-output", "fc=fc.mat"]) == 0
    assert "prob: 10 x 3 written to out.npy" in capsys.readouterr().out
    scores = images.reshape(10, 4)[:, :3]
    np.testing.assert_allclose(scipy.io.loadmat("fc.mat")["data"].T, scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.load("out.npy"), np.exp(scores) / np.exp(scores).sum(1, keepdims=True), rtol=1e-5)
    assert main([*common, "-input", "data=in.mat"]) == 0
    assert "prob: 10 x 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["train"], 2, "argument: -solver: Need a solver definition to train."),
        (["test", "-model", "net.prototxt"], 2, "argument: -weights: Need model weights to score."),
        (["time"], 2, "argument: -model: Need a model definition to time."),
        (["train", "-solver", "nowhere.prototxt"], 5, "missing_file: Could not open file nowhere.prototxt"),
        (
            ["train", "-solver", "solver.prototxt", "-gpu", "0"],
            8,
            "device: -gpu: GPU: there is no NVIDIA driver here",
        ),
        (["train", "-solver", "solver.prototxt", "-weights", "a", "-snapshot", "b"], 2, "but not both"),
        (["predict", "-model", "m", "-weights", "w", "-input", "data"], 2, "'data' is not NAME=FILE"),
        (["data", "mnist", "--from", "."], 5, "missing_file"),
        (["serve", "--address", "nonsense"], 2, "argument"),
    ],
)
def test_errors_have_words_and_a_status(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    assert main(arguments) == status
    assert words in error_of(capsys)


def test_an_unknown_flag_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "-solvr", "x"])
    assert end.value.code == 2
    assert "unrecognized arguments: -solvr" in capsys.readouterr().err


def test_the_log_level_is_glogs(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "1")
    assert main(["train", "-solver", "solver.prototxt"]) == 0
    assert capsys.readouterr().err == ""


def test_a_solver_for_gpus_says_that_it_trains_on_the_cpu(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("gpu.prototxt").write_text(SOLVER.replace("solver_mode: CPU", "solver_mode: GPU"))
    assert main(["train", "-solver", "gpu.prototxt"]) == 0
    warning = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("W"))
    assert "trains on the CPU" in warning


def test_data_mnist_makes_databases(folder: Path, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "mnist", "--from", str(shared / "data" / "mnist"), "--backend", "lmdb"]) == 0
    assert capsys.readouterr().out.split() == ["mnist_train_lmdb", "mnist_test_lmdb"]
    assert main(["data", "mnist", "--from", str(shared / "data" / "mnist"), "--backend", "lmdb"]) != 0
    assert "--overwrite" in flags.make_parser().format_help() or "mnist_train_lmdb" in error_of(capsys)


def test_bars_show_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Terminal:
        """A terminal that remembers what was written to it."""

        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            shown.append(text)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.TrainingBar(0, 10, 64) as training:
        training(Testing(0, 0, 3, 100))
        training._bar.mininterval = 0
        training(Iteration(0, 2.5, 2.25, 0.01, (), 0.5, False))
        training._bar.refresh()
    text = "".join(shown)
    assert "Test net 0, batch 3 of 100" in text
    assert "loss 2.25, lr 0.01, 128 images/s" in text
    shown.clear()
    counting = bar.Bar()
    counting("a/b", 5, 10)
    counting.bar.refresh()
    counting("a/c", 10, 10)
    counting.bar.refresh()
    assert "b" in "".join(shown)
    assert "10.0/10.0" in "".join(shown)


def test_arrays_that_cannot_be_read(tmp_path: Path) -> None:
    damaged = tmp_path / "x.npy"
    damaged.write_bytes(b"nonsense")
    with pytest.raises(CorruptFileError, match=r"x\.npy: is no readable \.npy file"):
        arrays.read_array(str(damaged))
    with pytest.raises(ArgumentError, match=r"use \.npy or \.mat"):
        arrays.read_array("x.txt")
    two = tmp_path / "two.mat"
    scipy.io.savemat(two, {"a": np.zeros(2), "b": np.zeros(2)})
    with pytest.raises(ArgumentError, match="holds 2 variables"):
        arrays.read_array(str(two))


def test_the_handler_writes_to_todays_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logs.StderrHandler()
    handler.setFormatter(logs.GlogFormatter())
    record = logs.logging.makeLogRecord({"msg": "words", "levelno": 30, "filename": "x.py", "lineno": 7, "process": 5})
    handler.emit(record)
    assert re.match(r"W\d{4} .* +5 x\.py:7\] words\n", capsys.readouterr().err)
