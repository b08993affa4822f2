"""Loops kept as machine code: found again without Numba, made anew when what is kept is damaged or cannot be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from ctypes import CFUNCTYPE, c_void_p
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.engine.cpu import machine_code
from caffe_sdk.engine.portable.winograd_job import JOB

LOOP = "transform_filters"

PROBE = """
import sys
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.portable.winograd_job import JOB
job = Job("transform_filters", JOB, {"items": 3, "blocks_out": 1})
job.run()
print(int(job.numbers["ticket"][0]), "numba" in sys.modules)
"""


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "caffe_sdk" / "loops"


def taken(address: int) -> int:
    """How many tickets a loop takes of a job with five items of nothing."""
    job = np.zeros(1, JOB)
    job["items"], job["blocks_out"] = 5, 1
    CFUNCTYPE(None, c_void_p)(address)(job.ctypes.data)
    return int(job["ticket"][0])


def test_another_process_needs_no_numba(cache: Path) -> None:
    assert taken(machine_code.address_of.__wrapped__(LOOP)) == 6
    environment = {**os.environ, "CAFFE_NUM_THREADS": "1"}
    answer = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["4", "False"]
    assert len(list(cache.iterdir())) == 1


def test_damage_is_noticed_and_mended(cache: Path) -> None:
    machine_code.address_of.__wrapped__(LOOP)
    (file,) = cache.iterdir()
    for damaged in (b"", file.read_bytes()[:-1], file.read_bytes().replace(b"caffe", b"coffee")):
        file.write_bytes(damaged)
        assert machine_code.load(file) is None
    assert taken(machine_code.address_of.__wrapped__(LOOP)) == 6
    assert machine_code.load(file) is not None


def test_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_bytes(b"in the way")
    assert taken(machine_code.address_of.__wrapped__(LOOP)) == 6


def test_what_a_loop_is_made_from_is_there() -> None:
    assert all(path.is_file() for path in machine_code.SOURCES)
