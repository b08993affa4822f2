"""Solvers on several GPUs that are none: the same as through the host and as one solver with all the data."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine, mode, ranks
from caffe_sdk.engine.cuda import scaling
from caffe_sdk.errors import ArgumentError, DeviceError
from caffe_sdk.memory import SyncedMemory, transfers
from caffe_sdk.solver import Solver, get_solver, overlap
from caffe_sdk.solver.gpus import Gpus, on_gpus
from caffe_sdk.solver.nccl import NCCL
from caffe_sdk.solver.parallel import BUCKET
from caffe_sdk.solver.peers import Alone
from caffe_sdk.solver.processes import Processes, Shared
from tests.engine.cuda.mocked import check_exchanges, install, made
from tests.solver.models import write, write_digits
from tests.solver.test_parallel import PLAIN, SAVING, command_line, saved, wait_for

ROOT = Path(__file__).resolve().parents[2]
NET = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: {batch} dim: 6 }} }} }}
layer {{ name: "label" type: "Input" top: "label" input_param {{ shape {{ dim: {batch} }} }} }}
layer {{ name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" param {{ name: "shared" }} param {{ lr_mult: 2 }}
        inner_product_param {{ num_output: 6 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }}
layer {{ name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" param {{ name: "shared" }} param {{ lr_mult: 0 }}
        inner_product_param {{ num_output: 6 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "ip3" type: "InnerProduct" bottom: "ip2" top: "ip3"
        inner_product_param {{ num_output: 4 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip3" bottom: "label" top: "loss" }}
"""
RULE = 'net: "net.prototxt" base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" random_seed: 3 clip_gradients: 0.5 '
PYCAFFE = """
import sys
from multiprocessing import Process
import caffe

def solve(uid, rank, layers):
    caffe.set_mode_gpu()
    caffe.set_device(rank)
    caffe.set_solver_count(2)
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)
    solver = caffe.SGDSolver('solver.prototxt')
    assert len(solver.test_nets) == (rank == 0)
    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()
    solver.add_callback(nccl)
    if solver.param.layer_wise_reduce:
        solver.net.after_backward(nccl)
    solver.step(solver.param.max_iter)
    solver.net.save('script.%d.caffemodel' % rank)

if __name__ == '__main__':
    assert caffe.has_nccl()
    uid = caffe.NCCL.new_uid()
    procs = [Process(target=solve, args=(uid, rank, 0)) for rank in range(2)]
    for p in procs:
        p.start()
    for p in procs:
        p.join()
    sys.exit(max(p.exitcode for p in procs))
"""


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_NCCL", str(made("mock_nccl")))
    monkeypatch.setenv("CAFFE_ENGINE", "simulated")


@pytest.fixture(params=["cuda", "simulated"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """GPU mode on several GPUs that are none."""
    before = transfers.copy()
    install(monkeypatch, gpus=3)
    monkeypatch.setenv("CAFFE_ENGINE", request.param)
    check_exchanges(request.param == "cuda")
    yield request.param
    check_exchanges(False)
    mode.set_mode_cpu()
    transfers.clear()
    transfers.update(before)


def hosts(size: int) -> list[Processes]:
    """Peers on the host, as threads of this process."""
    shared = Shared(size, multiprocessing.RawArray("b", 2 * size * BUCKET), threading.Barrier(size), Queue())
    return [Processes(rank, shared) for rank in range(size)]


def on_gpu_each(size: int, work: Callable[[int], Any]) -> list[Any]:
    """What each rank gives, a thread with a GPU of its own."""
    results: dict[int, Any] = {}

    def one(rank: int) -> None:
        caffe.set_device(rank)
        caffe.set_mode_gpu()
        results[rank] = work(rank)

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [results[rank] for rank in range(size)]


def solver_file(size: int, more: str = "") -> None:
    Path("net.prototxt").write_text(NET.format(batch=12 // size))
    Path("solver.prototxt").write_text(RULE + more)


def fed(solver: Solver, rank: int, size: int) -> None:
    """Give a solver its part of the images for the next iteration, the same at a time for any number of solvers."""
    rng = np.random.default_rng(solver.iter)
    images, labels = rng.standard_normal((12, 6), np.float32), rng.integers(0, 4, 12)
    solver.net.blobs["data"].data[...] = images[rank::size]
    solver.net.blobs["label"].data[...] = labels[rank::size]


def begin(solver: Solver, rank: int) -> list[SyncedMemory]:
    """Weights of a rank's own: solvers made by threads at once draw theirs from one stream. Gives their memories."""
    rng = np.random.default_rng(rank)
    for learnable in solver.net.learnable:
        learnable.blob.data[...] = 0.5 * rng.standard_normal(learnable.blob.shape)
    return [learnable.blob.data_memory for learnable in solver.net.learnable]


def learned(solver: Solver, rank: int, size: int, iterations: int = 4) -> list[np.ndarray]:
    for _ in range(iterations):
        fed(solver, rank, size)
        solver.step(1)
    return [p.blob.data.copy() for p in solver.net.learnable]


def trained(size: int, join: Callable[[Processes], Alone]) -> list[list[np.ndarray]]:
    """The weights that each rank has learned, the log of whose peers is for nobody."""
    peers = hosts(size)

    def work(rank: int) -> list[np.ndarray]:
        joined = join(peers[rank])
        with get_solver("solver.prototxt", peers=joined) as solver:
            joined.copy_first(begin(solver, rank))
            weights = learned(solver, rank, size)
            joined.close()
            return weights

    return on_gpu_each(size, work)


def equal(one: list[np.ndarray], other: list[np.ndarray], tolerance: float = 0) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("more", ["", "layer_wise_reduce: false ", "iter_size: 2 "])
def test_ranks_on_gpus_learn_what_one_does_from_all_the_data(
    kind: str, size: int, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlap, "PIECE", 1)
    solver_file(size, more)
    on_each = trained(size, on_gpus)
    for weights in on_each[1:]:
        equal(weights, on_each[0])
    through_host = trained(size, lambda host: host)
    equal(on_each[0], through_host[0], 0 if size == 2 else 1e-6)  # thirds are rounded before they are added up
    solver_file(1, more)
    with get_solver("solver.prototxt") as alone:
        begin(alone, 0)
        equal(on_each[0], learned(alone, 0, 1), 1e-5)


@pytest.mark.parametrize("through", [on_gpus, lambda host: host], ids=["nccl", "host"])
@pytest.mark.parametrize("more", ["", "iter_size: 2 ", "layer_wise_reduce: false "])
def test_an_overflow_on_one_rank_leaves_the_update_out_on_all(
    kind: str, more: str, through: Callable[[Processes], Alone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All halve the scale as often, and go on with the same weights."""
    monkeypatch.setattr(scaling, "FIRST", 2.0**20)
    monkeypatch.setattr(overlap, "PIECE", 1)
    monkeypatch.setenv("CAFFE_PRECISION", "float16")
    solver_file(2, more)
    peers = hosts(2)
    first: dict[int, list[np.ndarray]] = {}

    def work(rank: int) -> tuple[list[np.ndarray], list[np.ndarray], dict[str, float] | None]:
        joined = through(peers[rank])
        with get_solver("solver.prototxt", peers=joined) as solver:
            begin(solver, 0)
            solver.net.params["ip3"][1].data[...] = [20, 0, 0, 0]  # what it is sure of: a large gradient where wrong
            first[rank] = [p.blob.data.copy() for p in solver.net.learnable]
            fed(solver, rank, 2)
            solver.net.blobs["label"].data[...] = rank
            solver.step(1)
            after_one = [p.blob.data.copy() for p in solver.net.learnable]
            for _ in range(5):
                solver.step(1)
            return after_one, [p.blob.data.copy() for p in solver.net.learnable], solver.scaling.state()

    results = on_gpu_each(2, work)
    for rank, (after_one, weights, state) in enumerate(results):
        equal(after_one, first[rank])
        equal(weights, results[0][1])
        assert state == results[0][2]
        assert state is not None
        assert 1 <= state["skipped"] < 6
        assert state["value"] == 2.0 ** (20 - state["skipped"])
        assert not np.array_equal(weights[-1], after_one[-1])


def test_gradients_never_see_the_host(kind: str) -> None:
    solver_file(2)
    peers = hosts(2)
    counted: dict[tuple[str, str], int] = {}
    together = threading.Barrier(2)

    def work(rank: int) -> None:
        joined = on_gpus(peers[rank])
        assert isinstance(joined, Gpus)
        with get_solver("solver.prototxt", peers=joined) as solver:
            learned(solver, rank, 2, 2)
            together.wait()
            if rank == 0:
                transfers.clear()
            together.wait()
            solver.step(1)
            together.wait()
            counted.update(transfers)
            joined.close()

    on_gpu_each(2, work)
    for name in (kind, f"{kind}:1"):
        assert counted[name, "host"] == 2  # the loss, and the sum of squares for clip_gradients


@pytest.mark.parametrize("layer_wise", [True, False])
@pytest.mark.parametrize("iter_size", [1, 2])
def test_pycaffe_s_nccl(kind: str, layer_wise: bool, iter_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    solver_file(2, f"iter_size: {iter_size} ")
    expected = trained(2, on_gpus)[0]
    own = threading.local()
    monkeypatch.setattr(ranks, "solver_rank", lambda: own.rank)
    monkeypatch.setattr(ranks, "solver_count", lambda: 2)
    assert caffe.NCCL is NCCL
    uid = NCCL.new_uid()
    assert len(uid) == 128

    def work(rank: int) -> list[np.ndarray]:
        own.rank = rank
        with get_solver("solver.prototxt") as solver:
            begin(solver, rank)
            nccl = caffe.NCCL(solver, uid if rank else uid.decode("latin-1"))
            nccl.bcast()
            solver.add_callback(nccl)
            if layer_wise:
                solver.net.after_backward(nccl)
            return learned(solver, rank, 2)

    for weights in on_gpu_each(2, work):
        equal(weights, expected)


def test_views_that_are_held_show_the_mean(kind: str) -> None:
    solver_file(2)
    peers = hosts(2)

    def work(rank: int) -> np.ndarray:
        joined = on_gpus(peers[rank])
        with get_solver("solver.prototxt", peers=joined) as solver:
            held = solver.net.params["ip3"][0].diff
            held[...] = rank + 1
            joined.average([solver.net.params["ip3"][0].diff_memory])
            return held.copy()

    for held in on_gpu_each(2, work):
        np.testing.assert_array_equal(held, np.full((4, 6), 1.5))


def test_what_nccl_needs(kind: str) -> None:
    solver_file(1)
    with get_solver("solver.prototxt") as solver:
        with pytest.raises(ArgumentError, match=r"NCCL: an identifier of 3 bytes; give what NCCL.new_uid"):
            caffe.NCCL(solver, b"uid")
        with (
            engine.use("reference"),
            pytest.raises(
                DeviceError, match=r"NCCL: the reference engine computes on no GPU; call set_mode_gpu\(\) first"
            ),
        ):
            caffe.NCCL(solver, caffe.NCCL.new_uid())


def test_without_nccl_gradients_go_through_the_host(kind: str, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setenv("CAFFE_NCCL", "0")
    assert caffe.has_nccl() is False
    with pytest.raises(DeviceError, match="CAFFE_NCCL=0 says not to use it"):
        caffe.NCCL.new_uid()
    solver_file(2)
    equal(*trained(2, on_gpus))
    assert caplog.text.count("Gradients go through the host, which is slow: NCCL: CAFFE_NCCL=0") == 2


def test_who_is_alone_or_on_the_cpu_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Alone()
    assert on_gpus(alone) is alone
    monkeypatch.setenv("CAFFE_ENGINE", "reference")
    peers, found = hosts(2), {}
    threads = [threading.Thread(target=lambda p=peer: found.update({p.rank: on_gpus(p)})) for peer in peers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict(enumerate(peers))


# -- commands ----------------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'caffe_sdk' / 'compat'}", "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_train_on_two_gpus_and_pycaffe_s_script(tmp_path: Path) -> None:
    """`caffe train -gpu 0,1`, and what scripts do that were written for pycaffe: the same weights, bit for bit."""
    write_digits(tmp_path)
    write(tmp_path, SAVING + "max_iter: 4 display: 2 test_iter: 1 test_interval: 4", PLAIN)
    command = [sys.executable, "-m", "caffe_sdk.cli", "train", "-solver", "solver.prototxt", "-gpu", "0,1"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Use GPU with device ID 0") == done.stderr.count("Optimization Done.") == 1
    assert "through the host" not in done.stderr
    by_command = saved("s_iter_4")
    Path("script.py").write_text(PYCAFFE)
    script = [sys.executable, "script.py"]
    done = subprocess.run(script, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for rank in range(2):
        equal(saved(f"script.{rank}"), by_command)


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_job(tmp_path: Path) -> None:
    command = [*command_line(tmp_path), "-gpu", "0,1"]
    with open("log", "w") as log, subprocess.Popen(command, env=environment(), stdout=log, stderr=log) as job:
        wait_for(r"Iteration 3 \(")
        children = [int(pid) for pid in Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()]
        spawned = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(spawned[1], signal.SIGKILL)
        began = time.monotonic()
        assert job.wait(60) == 128 + signal.SIGKILL
        assert time.monotonic() - began < 5
