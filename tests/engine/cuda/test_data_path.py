"""From a database to the weights, on GPUs that do what they are asked for as late as they can: training with batches
that are sent ahead and programs that are replayed learns what the host learns, and nobody waits but for the loss."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine, mode
from caffe_sdk.data import datum
from caffe_sdk.data.databases import create_database
from caffe_sdk.memory import transfers
from tests.engine.cuda.mocked import COPIES_EARLY, LATE, install, mock, order

STEPS = 8
NET = """
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "FOLDER" backend: LMDB batch_size: 4 }
        transform_param { crop_size: 6 mirror: true mean_value: 100 scale: 0.02 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3
        weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
        pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "pool" top: "pool" }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" dropout_param { dropout_ratio: 0.3 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 3
        weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "NET" base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 random_seed: 7 snapshot_after_train: false'


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    """Of a small net on ten small images."""
    rng = np.random.default_rng(1)
    with create_database(tmp_path / "db", "LMDB") as writer:
        for i in range(10):
            writer.put(b"%08d" % i, datum.encode(rng.integers(0, 256, (3, 8, 9), np.uint8), i % 3))
    (tmp_path / "net.prototxt").write_text(NET.replace("FOLDER", str(tmp_path / "db")))
    (tmp_path / "solver.prototxt").write_text(SOLVER.replace("NET", str(tmp_path / "net.prototxt")))
    return tmp_path / "solver.prototxt"


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """GPU mode on a driver that is none."""
    before = transfers.copy()
    install(monkeypatch)
    monkeypatch.setenv("CAFFE_ENGINE", "cuda")
    caffe.set_mode_gpu()
    yield
    mode.set_mode_cpu()
    transfers.clear()
    transfers.update(before)


def losses(path: Path, count: int = STEPS) -> list[float]:
    """Of each step."""
    made = caffe.get_solver(str(path))
    found = []
    for _ in range(count):
        made.step(1)
        found.append(float(made.net.blobs["loss"].data))
    made.net.close()
    return found


@pytest.mark.parametrize("when", [LATE, COPIES_EARLY])
@pytest.mark.usefixtures("on_a_gpu")
def test_training_learns_what_the_host_learns(solver: Path, when: int) -> None:
    with order(when):
        got = losses(solver)
    with engine.use("reference"):
        expected = losses(solver)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.usefixtures("on_a_gpu")
def test_a_view_that_is_held_shows_every_batch(solver: Path) -> None:
    made, rows = caffe.get_solver(str(solver)), []
    with engine.use("reference"):
        other = caffe.get_solver(str(solver))
        views = [each.net.blobs["data"].data for each in (made, other)]
    for computing in ("cuda", "reference"):
        with engine.use(computing):
            net, view = ((made, other)[computing == "reference"].net, views[computing == "reference"])
            for _ in range(4):
                net.forward()
                rows.append(view.copy())
    np.testing.assert_array_equal(rows[:4], rows[4:])
    made.net.close()
    other.net.close()


PROGRAM = """
import numpy as np, pytest
from tests.engine.cuda.mocked import LATE, install, mock
monkeypatch = pytest.MonkeyPatch()
install(monkeypatch)
mock().mock_order(LATE)
import caffe_sdk as caffe
{before}
made = caffe.get_solver({path!r})
{after}
made.step(3)
"""


@pytest.mark.parametrize("first", ["the GPU", "the net"])
def test_a_program_that_closes_nothing_ends_without_a_word(solver: Path, root: Path, first: str) -> None:
    """With batches on their way, whichever is older."""
    mode_first = first == "the GPU"
    chosen = "caffe.set_mode_gpu()"
    text = PROGRAM.format(
        path=str(solver), before=chosen if mode_first else "", after="" if mode_first else "made.net.blobs; " + chosen
    )
    environment = {**os.environ, "CAFFE_ENGINE": "cuda" if mode_first else "reference", "GLOG_minloglevel": "2"}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("on_a_gpu")
def test_nobody_waits_but_for_the_loss(solver: Path) -> None:
    made = caffe.get_solver(str(solver))
    with order(LATE):
        made.step(3)  # computed, captured, replayed
        waits = mock().mock_waits()
        transfers.clear()
        made.step(4)
        assert mock().mock_waits() == waits + 4
    assert transfers == {("host", "cuda"): 8, ("cuda", "host"): 4}
    made.net.close()
