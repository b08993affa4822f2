"""The example of each client classifies and trains, and says what the server says of a mistake."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.app.session import Session
from caffe_sdk.io import decode_image
from caffe_sdk.server import Options, RunningServer, start
from tests.app.texts import NET, SOLVER
from tests.clients.languages import LANGUAGES, address, command


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=1)) as server:
        yield server


def run(language: str, task: str, server: RunningServer, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [*command(language, "example"), task, address(language, server), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_classifies(language: str, server: RunningServer, tmp_path: Path, rng: np.random.Generator) -> None:
    local = Session()
    net = local.create_net(text=NET)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "net.caffemodel").write_bytes(local.net_bytes(net))
    Image.fromarray(rng.integers(256, size=(6, 6), dtype=np.uint8)).save(tmp_path / "image.png")
    files = [tmp_path / name for name in ("net.prototxt", "net.caffemodel", "image.png")]
    done = run(language, "classify", server, *files)
    assert done.returncode == 0, done.stderr
    name, *values = done.stdout.split()
    assert name == "prob"
    image = decode_image((tmp_path / "image.png").read_bytes(), "image.png")
    expected = local.predict(net, [image])["prob"].ravel()
    np.testing.assert_array_equal(np.array(values, np.float32), expected)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_trains(language: str, server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    done = run(language, "train", server, tmp_path / "solver.prototxt", 5)
    assert done.returncode == 0, done.stderr
    losses = [float(line) for line in done.stdout.split()]
    assert len(losses) == 5
    assert losses[4] < losses[0] == pytest.approx(np.log(3))


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_what_is_wrong(language: str, server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text(SOLVER.replace("base_lr", "base_rl"))
    done = run(language, "train", server, tmp_path / "solver.prototxt", 5)
    assert done.returncode == 1
    assert "prototxt:13:1: unknown field 'base_rl' in SolverParameter; did you mean 'base_lr'?" in done.stderr
