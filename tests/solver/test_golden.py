"""Every trajectory that BVLC Caffe left behind: weights and losses of 20 iterations, and from Caffe's snapshots on."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.blob import Blob
from caffe_sdk.layers import REGISTRY, Arity, Layer, exactly
from caffe_sdk.memory import HOST, Shape

RULES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
CASES = {
    "SGD": (3, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    "Nesterov": (1, 2, 3, 5),
    "AdaGrad": (1, 3, 5, 7),
    "RMSProp": (1, 2, 3, 6),
    "AdaDelta": (2, 4, 6),
    "Adam": (1, 2, 3, 5),
}


class HDF5Rows(Layer):
    """Stands in for HDF5Data where there is none yet: rows of one file, in order, over and over."""

    bottoms, tops, on_host = exactly(0), Arity(1, None), True

    def setup(self, config: Any) -> None:
        param = config.hdf5_data_param
        with h5py.File(Path(param.source).read_text().split()[0]) as file:
            self.columns = [np.array(file[top]) for top in config.top]
        self.batch, self.row = param.batch_size, 0

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(self.batch, *column.shape[1:]) for column in self.columns]

    def forward(self, engine: Any, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        rows = np.arange(self.row, self.row + self.batch) % len(self.columns[0])
        self.row = (self.row + self.batch) % len(self.columns[0])
        for blob, column in zip(top, self.columns, strict=True):
            blob.data_memory.write(HOST)[...] = column[rows].reshape(-1)


class Euclidean(Layer):
    """Stands in for EuclideanLoss where there is none yet: sum of squares / 2n."""

    bottoms, tops, on_host, is_loss, auto_tops = exactly(2), exactly(1), True, True, 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [()]

    def forward(self, engine: Any, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        difference = bottom[0].data - bottom[1].data
        top[0].data[...] = (difference**2).sum() / (2 * len(difference))

    def backward(self, engine: Any, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        bottom[0].diff[...] = top[0].diff * (bottom[0].data - bottom[1].data) / len(bottom[0].data)


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
    for layer_type, stand_in in (("HDF5Data", HDF5Rows), ("EuclideanLoss", Euclidean)):
        if layer_type not in REGISTRY:
            monkeypatch.setitem(REGISTRY, layer_type, stand_in)
    path = shared / "golden" / "solvers" / name
    case = check.load(f"{path}.npz")
    missing = set(re.findall(r'type: "([A-Z]\w+)"', str(case["net"]))) - set(REGISTRY)
    if missing:
        pytest.skip(f"no layer {', '.join(sorted(missing))} yet")
    monkeypatch.chdir(tmp_path)
    caffe.set_random_seed(1)
    assert check.solver_case(caffe, case, path) == []
