"""LeNet on MNIST: two ranks with half the batch each, over TCP, take the way of one process with the whole batch."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.data.databases import write_arrays
from caffe_sdk.data.mnist import read_mnist
from caffe_sdk.schema import wire
from caffe_sdk.solver import Iteration, get_solver
from tests.habits.sources import ROOT
from tests.solver import mpi

ITERATIONS = 50
TRAIN = """
    import json, sys
    from caffe_sdk import get_solver
    from caffe_sdk.solver import Iteration, parallel
    peers = parallel.join()
    solver = get_solver("lenet_solver.prototxt", peers=peers)
    losses = [event.loss for event in solver.events(int(sys.argv[1])) if isinstance(event, Iteration)]
    if peers.rank == 0:
        solver.net.save("ranks.caffemodel")
        print(json.dumps(losses))
"""


def write_lenet(folder: Path, batch: int) -> None:
    """The package's LeNet, without tests, for batches of this size."""
    models = ROOT / "caffe_sdk" / "models" / "lenet"
    net = (models / "lenet_train_test.prototxt").read_text().replace("batch_size: 64", f"batch_size: {batch}")
    solver = re.sub(r"(?m)^(test_\w+|snapshot): .*\n", "", (models / "lenet_solver.prototxt").read_text())
    (folder / "lenet_train_test.prototxt").write_text(net)
    (folder / "lenet_solver.prototxt").write_text(solver + "\nrandom_seed: 1\n")


@pytest.mark.slow
def test_two_ranks_go_the_way_of_one(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"CAFFE_ENGINE": "cpu", **mpi.OVER_TCP}.items():
        monkeypatch.setenv(name, value)
    images, labels = read_mnist(shared / "data" / "mnist", "train")
    write_arrays("mnist_train_leveldb", images[:1600], labels[:1600])
    write_lenet(tmp_path, 16)
    theirs = json.loads(mpi.run(2, TRAIN, ITERATIONS).splitlines()[-1])
    write_lenet(tmp_path, 32)
    with engine.use("cpu"), get_solver("lenet_solver.prototxt") as whole:
        ours = [event.loss for event in whole.events(ITERATIONS) if isinstance(event, Iteration)]
        weights = [blob.data.copy() for blobs in whole.net.params.values() for blob in blobs]
    np.testing.assert_allclose(theirs[:8], ours[:8], rtol=1e-5)  # rounding, which later grows as in any training
    np.testing.assert_allclose(theirs, ours, rtol=0.02)
    assert ours[-1] < 0.5 * ours[0]
    saved = [blob.data for layer in wire.read_net("ranks.caffemodel").layers for blob in layer.blobs]
    for mine, other in zip(weights, saved, strict=True):
        assert np.linalg.norm(other - mine) < 0.01 * np.linalg.norm(mine)
