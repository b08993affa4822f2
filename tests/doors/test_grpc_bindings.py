"""The examples under bindings/grpc run, and other languages get the same numbers and the same words."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.app.session import Session
from caffe_sdk.server import Options, RunningServer, start
from tests.app.texts import NET, SOLVER

Node = Callable[..., Any]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=1)) as server:
        yield server


@pytest.fixture
def node(root: Path, server: RunningServer) -> Node:
    """Run the Node example; gives what it prints."""
    folder, program = root / "bindings" / "grpc" / "node", shutil.which("node")
    if program is None or not (folder / "node_modules").is_dir():
        pytest.skip("needs Node 18 or later, and `npm install` in bindings/grpc/node")

    def run(task: str, *arguments: str | Path) -> Any:
        command = [program, str(folder / "example.js"), task, server.address, *map(str, arguments)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout)

    return run


def test_the_python_example_learns(root: Path, server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("train_example", root / "bindings/grpc/python/train.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert example.main(server.address) > 0.95
    assert "iteration 150: loss 0." in capsys.readouterr().out


def test_node_computes_the_same(node: Node, tmp_path: Path, rng: np.random.Generator) -> None:
    local = Session()
    net = local.create_net(text=NET)
    images = rng.random((4, 1, 6, 6), np.float32)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "net.caffemodel").write_bytes(local.net_bytes(net))
    (tmp_path / "pixels.bin").write_bytes(images.tobytes())
    outputs = node("classify", tmp_path / "net.prototxt", tmp_path / "net.caffemodel", tmp_path / "pixels.bin")
    expected = local.forward(net, {"data": images})["prob"]
    got = np.array(outputs["prob"]["data"], np.float32).reshape(outputs["prob"]["shape"])
    np.testing.assert_array_equal(got, expected)


def test_node_trains(node: Node, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    losses = node("train", tmp_path / "solver.prototxt", 5)
    assert len(losses) == 5
    assert losses[4] < losses[0] == pytest.approx(np.log(3))


def test_node_gets_the_same_words(node: Node, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text(SOLVER.replace("base_lr", "base_rl"))
    assert node("train", tmp_path / "solver.prototxt", 5) == {
        "status": "INVALID_ARGUMENT",
        "code": "prototxt",
        "identifier": "caffe:prototxt",
        "message": "prototxt:13:1: unknown field 'base_rl' in SolverParameter; did you mean 'base_lr'?",
    }
