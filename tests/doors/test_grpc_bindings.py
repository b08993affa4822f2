"""The Python example under bindings/grpc runs; those of other languages are tested in tests/clients."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from caffe_sdk.server import Options, RunningServer, start


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=1)) as server:
        yield server


def test_the_python_example_learns(root: Path, server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("train_example", root / "bindings/grpc/python/train.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert example.main(server.address) > 0.95
    assert "iteration 150: loss 0." in capsys.readouterr().out
