"""The example of each client classifies and trains, and says what the server says of a mistake."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import caffe_sdk
from caffe_sdk.app.paths import Inside
from caffe_sdk.app.session import Session
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.io import decode_image
from caffe_sdk.server import Options, RunningServer, start
from caffe_sdk.solver.events import Iteration
from tests.app.texts import NET, SOLVER
from tests.clients.languages import LANGUAGES, address, command

pytestmark = pytest.mark.timeout(900)  # the first to come builds its client: cargo compiles a hundred crates


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=1)) as server:
        yield server


def run(language: str, task: str, server: RunningServer, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [*command(language, "example"), task, address(language, server), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


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


LENET = Path(caffe_sdk.__file__).parent / "models" / "lenet"


@pytest.fixture(scope="module")
def lenet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A folder with LeNet, but for smaller batches, and data for it; and its losses of 100 steps in this process."""
    folder, chance = tmp_path_factory.mktemp("lenet"), np.random.default_rng(1)
    labels = chance.integers(10, size=64)
    images = chance.integers(64, size=(64, 1, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label : 2 * label + 4] += 128
    write_arrays(folder / "digits", images, labels, "lmdb")
    net = (LENET / "lenet_train_test.prototxt").read_text()
    net = re.sub(r'source: "\w+" batch_size: \d+ backend: LEVELDB', 'source: "digits" batch_size: 8 backend: LMDB', net)
    (folder / "lenet_train_test.prototxt").write_text(net)
    solver = (LENET / "lenet_solver.prototxt").read_text().replace("test_iter: 100", "test_iter: 1")
    (folder / "solver.prototxt").write_text(solver + "random_seed: 1\n")
    local = Session(Inside(str(folder)))
    events = local.step(local.create_solver(text=solver + "random_seed: 1\n"), 100)
    losses = [event.loss for event in events if isinstance(event, Iteration)]
    local.reset()
    return folder, losses


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_trains_lenet(language: str, lenet: tuple[Path, list[float]]) -> None:
    """100 steps, from a database in the server's folder; the losses are those of training without a server."""
    folder, expected = lenet
    with start(Options("127.0.0.1:0", files=str(folder), grace=1)) as server:
        done = run(language, "train", server, folder / "solver.prototxt", 100)
    assert done.returncode == 0, done.stderr
    losses = np.array([float(line) for line in done.stdout.split()], np.float32)
    assert len(losses) == 100
    np.testing.assert_allclose(losses, np.array(expected, np.float32), rtol=1e-6)
    assert losses[-10:].mean() < 0.5 * losses[0]
