"""Exchanges on real GPUs: with one, NCCL's calls; with two, nets side by side and a training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import mode
from caffe_sdk.engine.cuda import devices, nccl
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import transfers
from tests.engine.cuda.test_nccl import fetched, placed
from tests.engine.cuda.test_several import NET
from tests.solver.models import write, write_digits
from tests.solver.test_parallel import PLAIN, SAVING, saved

ROOT = Path(__file__).resolve().parents[3]
needs_one = pytest.mark.skipif(devices.count() < 1, reason="there is no GPU")
needs_two = pytest.mark.skipif(devices.count() < 2, reason="there are no two GPUs")


@pytest.fixture
def library() -> nccl.Nccl:
    try:
        return nccl.wanted()
    except DeviceError as error:
        pytest.skip(str(error))


@needs_one
def test_a_rank_that_is_alone(library: nccl.Nccl) -> None:
    """Its mean is what it has; all calls are made, and waiting looks after it."""
    it = devices.made(0).device
    values = np.arange(100_000, dtype=np.float32)
    buffer = placed(it, values)
    communicator = nccl.Communicator(library, it.lane(), library.new_uid(), 0, 1)
    communicator.copy_first([(buffer.pointer, values.size)])
    communicator.average([(buffer.pointer, 10), (buffer.pointer + 40, values.size - 10)])
    communicator.join()
    np.testing.assert_array_equal(fetched(it, buffer), values)
    it.wait()
    communicator.check()
    communicator.close()


@needs_two
def test_nets_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    caffe.set_mode_gpu()
    try:
        nets = []
        for device in (0, 1):
            caffe.set_device(device)
            nets.append(caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST))
        nets[1].share_with(nets[0])
        before = transfers["cuda", "cuda:1"]
        for _ in range(3):
            results = [net.forward(data=np.ones((2, 3)))["ip"].copy() for net in nets]
            np.testing.assert_array_equal(*results)
        assert transfers["cuda", "cuda:1"] == before + 2
    finally:
        caffe.set_device(0)
        mode.set_mode_cpu()


@needs_two
def test_training_is_that_through_the_host(library: nccl.Nccl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path)
    write(tmp_path, SAVING + "max_iter: 8 weight_decay: 0.01", PLAIN)
    command = [sys.executable, "-m", "caffe_sdk.cli", "train", "-solver", "solver.prototxt", "-gpu", "0,1"]
    weights = []
    for exchange in ("", "0"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CAFFE_NCCL": exchange, "CAFFE_ENGINE": "cpu"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert ("through the host" in done.stderr) == bool(exchange)
        weights.append(saved("s_iter_8"))
    for through_nccl, through_host in zip(*weights, strict=True):
        np.testing.assert_allclose(through_nccl, through_host, rtol=1e-6, atol=1e-6)
