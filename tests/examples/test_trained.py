"""The examples train as their pages tell, on a few pictures and in few iterations: every command of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.habits.sources import ROOT

EXAMPLES = ROOT / "docs" / "examples"
ITERATIONS = {"autoencoder": 30, "cifar10_quick": 12, "siamese": 30}
SHORTER = {
    r"^(display|test_interval): \d+": r"\1: 10",
    r"^test_iter: \d+": "test_iter: 1",
    r"\bbatch_size: \d+": "batch_size: 20",
    r"^BATCHES = \d+": "BATCHES = 2",
}
RUNNERS = {"python": [sys.executable, "-W", "error", "-c"], "bash": ["bash", "-euc"]}


def write_idx(path: Path, array: np.ndarray) -> None:
    """An array of bytes in the format of MNIST's files: magic number, dimensions, bytes."""
    header = np.array([0x800 + array.ndim, *array.shape], ">i4")
    path.write_bytes(header.tobytes() + array.astype(np.uint8).tobytes())


@pytest.fixture
def environment(tmp_path: Path, rng: np.random.Generator) -> dict[str, str]:
    """Where ``caffe`` is this checkout's, and pictures are in ~/mnist: the class says which rows are bright."""
    labels = np.arange(300) % 10
    images = rng.integers(0, 100, (300, 28, 28), np.uint8)
    images[np.arange(300)[:, None], labels[:, None] * 2 + [4, 5, 6]] += 120
    folder = tmp_path / "home" / "mnist"
    folder.mkdir(parents=True)
    for name, part in (("train", slice(0, 200)), ("t10k", slice(200, 300))):
        write_idx(folder / f"{name}-images-idx3-ubyte", images[part])
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels[part])
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, command in (("caffe", "-m caffe_sdk.cli"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ITERATIONS)
def test_the_example_trains(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    iterations = shortened(folder, ITERATIONS[name])
    page = (folder / "README.md").read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        run = subprocess.run(
            [*RUNNERS[language], block], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    tests = [row["loss"] for row in rows if row["phase"] == "test" and row["net"] == 0]
    assert len(tests) == iterations // 10 + 1
    assert tests[-1] < tests[0]
    if "caffe plot" in page:
        assert (folder / "metrics.png").stat().st_size > 10000


def shortened(folder: Path, iterations: int) -> int:
    """Make an example one of so many iterations of small batches."""
    solver = (folder / "solver.prototxt").read_text()
    (most,) = re.findall(r"^max_iter: (\d+)", solver, re.MULTILINE)
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        for pattern, short in {**SHORTER, rf"(max_iter: |_iter_){most}\b": rf"\g<1>{iterations}"}.items():
            text = re.sub(pattern, short, text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")
    return iterations
