"""Which snapshot a training goes on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.errors import SolverError
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver.snapshot import latest


def test_the_latest_is_that_of_the_most_iterations(tmp_path: Path) -> None:
    for name in ("a_iter_9", "a_iter_10", "a_iter_x", "b_iter_99", "xa_iter_99"):
        (tmp_path / f"{name}.solverstate").touch()
    (tmp_path / "a_iter_50.solverstate.h5").touch()
    (tmp_path / "a_iter_60.caffemodel").touch()
    param = SolverParameter(snapshot_prefix=str(tmp_path / "a"))
    assert latest(param) == str(tmp_path / "a_iter_10.solverstate")
    param.snapshot_format = SolverParameter.HDF5
    assert latest(param) == str(tmp_path / "a_iter_50.solverstate.h5")


@pytest.mark.parametrize("prefix", ["c", "none/there"])
def test_where_there_is_none(tmp_path: Path, prefix: str) -> None:
    assert latest(SolverParameter(snapshot_prefix=str(tmp_path / prefix))) == ""


def test_a_solver_without_a_prefix() -> None:
    with pytest.raises(SolverError, match="snapshot_prefix is not set"):
        latest(SolverParameter())
