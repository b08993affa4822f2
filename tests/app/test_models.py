from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.app import models
from caffe_sdk.app.models import Model
from caffe_sdk.app.paths import ANYWHERE
from caffe_sdk.errors import ArgumentError, CorruptFileError
from caffe_sdk.net import Net
from caffe_sdk.schema.messages import TEST, TRAIN
from tests.app.texts import NET, SOLVER


def test_a_file_and_its_text_make_the_same_net(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    for model in (Model(path=str(tmp_path / "net.prototxt")), Model(text=NET)):
        with models.build_net(model, "train", None, 0, (), ANYWHERE) as net:
            assert (net.name, net.phase, net.outputs) == ("small", TRAIN, ["prob"])


def test_a_file_and_its_text_make_the_same_solver(tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    for model in (Model(path=str(tmp_path / "solver.prototxt")), Model(text=SOLVER)):
        with models.build_solver(model, ANYWHERE) as solver:
            assert (solver.net.name, len(solver.test_nets), solver.test_nets[0].phase) == ("trained", 1, TEST)


def test_weights_go_through_bytes(tmp_path: Path) -> None:
    with Net(_file(tmp_path), TEST) as first, Net(_file(tmp_path), TEST) as second:
        data = models.weights_bytes(first)
        first.save(tmp_path / "net.caffemodel")
        assert data == (tmp_path / "net.caffemodel").read_bytes()
        assert models.load_weights(second, data, ANYWHERE) == ["conv", "score"]
        np.testing.assert_array_equal(second.params["conv"][0].data, first.params["conv"][0].data)


def test_a_net_whose_weights_fail_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Net] = []
    monkeypatch.setattr(Net, "close", lambda net: closed.append(net))
    with pytest.raises(CorruptFileError):
        models.build_net(Model(text=NET), "test", b"?", 0, (), ANYWHERE)
    assert [net.name for net in closed] == ["small"]


@pytest.mark.parametrize(("model", "given"), [(Model(), "neither"), (Model("a", "b"), "both")])
def test_either_path_or_text(model: Model, given: str) -> None:
    with pytest.raises(ArgumentError, match=f"{given} path"):
        models.build_net(model, "test", None, 0, (), ANYWHERE)
    with pytest.raises(ArgumentError, match=f"{given} path"):
        models.build_solver(model, ANYWHERE)


def _file(folder: Path) -> str:
    path = folder / "net.prototxt"
    path.write_text(NET)
    return str(path)
