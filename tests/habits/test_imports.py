"""`import caffe_sdk` is light, and imports go one way down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ["cupy", "grpc", "h5py", "llvmlite", "matplotlib", "mpi4py", "numba", "plyvel", "sklearn"]
SECONDS = 0.25

PROBE = """
import json, sys, time
start = time.perf_counter()
import caffe_sdk
seconds = time.perf_counter() - start
libraries = open("/proc/self/maps").read() if sys.platform == "linux" else ""
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules), "oneDNN": "libdnnl" in libraries}))
"""


@pytest.fixture(scope="module")
def probes(root: Path) -> list[dict[str, object]]:
    """What a fresh interpreter sees after `import caffe_sdk`, several times, and not slowed down by coverage."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("COV_", "COVERAGE_"))}
    command = [sys.executable, "-c", PROBE]
    runs = [subprocess.run(command, cwd=root, env=environment, capture_output=True, check=True) for _ in range(5)]
    return [json.loads(run.stdout) for run in runs]


def test_import_is_fast(probes: list[dict[str, float]]) -> None:
    fastest = min(probe["seconds"] for probe in probes)
    assert fastest < SECONDS, f"import caffe_sdk takes {fastest:.2f} s"


@pytest.mark.parametrize("name", HEAVY)
def test_import_loads_nothing_heavy(probes: list[dict[str, list[str]]], name: str) -> None:
    assert name not in probes[0]["modules"]


def test_import_loads_no_onednn(probes: list[dict[str, bool]]) -> None:
    assert not probes[0]["oneDNN"]


def test_imports_go_one_way_down(root: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
