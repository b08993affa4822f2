"""Every trajectory that BVLC Caffe left behind: weights and losses of 20 iterations, and from Caffe's snapshots on."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import caffe_sdk as caffe
from caffe_sdk import engine

RULES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
CASES = {
    "SGD": (3, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    "Nesterov": (1, 2, 3, 5),
    "AdaGrad": (1, 3, 5, 7),
    "RMSProp": (1, 2, 3, 6),
    "AdaDelta": (2, 4, 6),
    "Adam": (1, 2, 3, 5),
}


@pytest.fixture(params=["reference", "cpu"])
def some_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    with engine.use(request.param):
        yield


@pytest.fixture(scope="session")
def check(shared: Path) -> ModuleType:
    """The script that comes with Caffe's numbers."""
    spec = importlib.util.spec_from_file_location("golden_check", shared / "golden" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", [f"{rule}_{number}" for rule in RULES for number in CASES[rule]])
def test_trajectories_are_caffes(name, check, shared, some_engine, tmp_path, monkeypatch) -> None:
    path = shared / "golden" / "solvers" / name
    case = check.load(f"{path}.npz")
    monkeypatch.chdir(tmp_path)
    caffe.set_random_seed(1)
    assert check.solver_case(caffe, case, path) == []
