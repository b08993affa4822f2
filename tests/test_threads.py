"""How many threads compute: what machine and environment say, what is set; NumPy's BLAS and processes follow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import caffe_sdk as caffe
from caffe_sdk import threads
from caffe_sdk.errors import ArgumentError

ROOT = Path(__file__).resolve().parents[1]


def test_quota_of_control_groups(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("0::/slice/unit\n")
    assert threads._quota(tmp_path, membership) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads._quota(tmp_path, membership) is None
    (tmp_path / "slice" / "unit").mkdir(parents=True)
    (tmp_path / "slice" / "unit" / "cpu.max").write_text("300000 100000\n")
    assert threads._quota(tmp_path, membership) == 3
    (tmp_path / "slice" / "cpu.max").write_text("150000 100000\n")
    assert threads._quota(tmp_path, membership) == 1.5


def test_quota_of_version_1(tmp_path):
    folder = tmp_path / "cpu"
    folder.mkdir()
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert threads._quota(tmp_path, tmp_path / "none") is None
    (folder / "cpu.cfs_quota_us").write_text("250000\n")
    assert threads._quota(tmp_path, tmp_path / "none") == 2.5


def test_usable_cpus_obey_mask_and_quota(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_quota", lambda: 2.5)
    assert threads.usable_cpus() == 2
    monkeypatch.setattr(threads, "_quota", lambda: 0.5)
    assert threads.usable_cpus() == 1
    monkeypatch.setattr(threads, "_quota", lambda: None)
    assert threads.usable_cpus() == 8


@pytest.mark.parametrize(
    ("ours", "openmp", "count"),
    [("3", "1", 3), ("", "4", 4), ("", "4,2", 4), ("", "", None), ("", "many", None), (" 2 ", "", 2)],
)
def test_environment_says_how_many_threads(monkeypatch, ours, openmp, count):
    monkeypatch.setenv("CAFFE_NUM_THREADS", ours)
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    assert threads.asked() == count


@pytest.mark.parametrize("words", ["0", "-1", "two", "1.5"])
def test_what_is_no_number_of_threads_is_an_error(monkeypatch, words):
    monkeypatch.setenv("CAFFE_NUM_THREADS", words)
    with pytest.raises(ArgumentError, match=f"CAFFE_NUM_THREADS: '{words}' is no number of threads"):
        threads.asked()


def test_the_machine_decides_where_nobody_else_does(monkeypatch):
    monkeypatch.setattr(threads, "_state", threads._State())
    monkeypatch.setattr(threads, "asked", lambda: None)
    monkeypatch.setattr(threads, "usable_cpus", lambda: 7)
    assert threads.num_threads() == 7


def test_no_threads_are_refused():
    with pytest.raises(ArgumentError, match="0 threads"):
        caffe.set_num_threads(0)


def test_a_change_is_a_new_generation():
    caffe.set_num_threads(2)
    generation = threads.generation()
    caffe.set_num_threads(2)
    assert threads.generation() == generation
    caffe.set_num_threads(1)
    assert threads.generation() == generation + 1
    assert caffe.num_threads() == 1


# -- NumPy's threads ---------------------------------------------------------------------------------------------------


def test_blas_never_has_more_threads_than_we_nor_than_it_had(monkeypatch):
    said: list[int] = []
    monkeypatch.setattr(threads, "_pools", {"lib": threads._Pool(said.append, 4)})
    monkeypatch.setattr(threads, "_libraries", lambda: {"lib"})
    for count in (3, 2, 2, 8, 1):
        caffe.set_num_threads(count)
    assert said[-3:] == [2, 4, 1]


@pytest.mark.parametrize(("get", "change"), threads.COUNTERS)
def test_every_build_of_blas_is_known(monkeypatch, get, change):
    said: list[int] = []
    library = SimpleNamespace(**{get: lambda: 6, change: said.append})
    monkeypatch.setattr(threads.ctypes, "CDLL", lambda path: library)
    pool = threads._pool("libopenblas.so")
    assert pool is not None
    assert pool.most == 6
    pool.change(3)
    assert said == [3]


def test_what_is_no_blas_or_cannot_be_asked_is_left_alone(monkeypatch, tmp_path):
    assert threads._pool(str(tmp_path / "libopenblas.so")) is None
    monkeypatch.setattr(threads.ctypes, "CDLL", lambda path: SimpleNamespace())
    assert threads._pool("libopenblas.so") is None

    def nothing():
        raise FileNotFoundError

    monkeypatch.setattr(threads, "_maps", nothing)
    assert threads._libraries() == set()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the libraries are found as Linux lists them")
def test_numpys_own_blas_follows():
    program = (
        "import numpy, caffe_sdk; from caffe_sdk import threads; caffe_sdk.set_num_threads(2)\n"
        "caffe_sdk.set_num_threads(1); ((path, pool),) = threads._pools.items()\n"
        "print(threads._pool(path).most)"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


# -- processes ---------------------------------------------------------------------------------------------------------

PROCESSES = '''
import multiprocessing, sys
import numpy as np
import caffe_sdk as caffe
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 16 dim: 12 dim: 12 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
    num_output: 32 kernel_size: 3 weight_filler { type: "constant" value: 0.01 } } }
layer { name: "score" type: "InnerProduct" bottom: "conv" top: "score" inner_product_param {
    num_output: 5 weight_filler { type: "constant" value: 0.01 } } }
"""

def compute(number):
    with caffe.Net(prototxt.parse(NET, NetParameter), caffe.TEST) as net:
        net.blobs["data"].data[...] = number
        return caffe.num_threads(), np.ones((64, 64)) @ np.ones(64), float(net.forward()["score"][0, 0])

if __name__ == "__main__":
    caffe.set_num_threads(2)
    alone = [compute(number) for number in range(4)]
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        there = pool.map_async(compute, range(4)).get(60)
    print({count for count, *_ in alone}, {count for count, *_ in there})
    assert all(np.allclose(a[1], b[1]) and abs(a[2] - b[2]) < 1e-3 * abs(b[2]) + 1e-6 for a, b in zip(alone, there))
'''


@pytest.mark.parametrize(("method", "threads_there"), [("fork", 1), ("spawn", 2)])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_processes_compute_what_their_parent_does(tmp_path, method, threads_there):
    """A forked child has one thread, a spawned one what the environment says; both begin after the parent computed."""
    (tmp_path / "processes.py").write_text(PROCESSES)
    environment = {**os.environ, "CAFFE_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", str(tmp_path / "processes.py"), method]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{{2}} {{{threads_there}}}\n"
