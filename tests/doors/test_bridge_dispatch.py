from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk
from caffe_sdk.app.session import Session
from caffe_sdk.bridge import values
from caffe_sdk.bridge.dispatch import Dispatch
from caffe_sdk.errors import (
    ArgumentError,
    CancelledError,
    CorruptFileError,
    FileError,
    HandleError,
    MissingFileError,
    ShapeError,
)

NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 1 dim: 2 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4
        weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" display: 5 max_iter: 20 snapshot_prefix: "snap"'


class Bridge:
    """A dispatch whose arguments and answers go through the encoding, as a client's do."""

    def __init__(self) -> None:
        self.session = Session()
        self.said: list[str] = []
        self.stop_after: int | None = None
        self.dispatch = Dispatch(self.session, self.said.append, self.cancelled)

    def cancelled(self) -> bool:
        return self.stop_after is not None and len(self.said) >= self.stop_after

    def __call__(self, *request: Any) -> Any:
        return there_and_back(self.dispatch(there_and_back(list(request))))


def there_and_back(value: Any) -> Any:
    data, pieces = values.encode(value, large=64)
    return values.decode(data, pieces)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a net and a solver in it."""
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bridge(folder: Path) -> Bridge:
    return Bridge()


@pytest.fixture
def net(bridge: Bridge) -> Any:
    return bridge("net_create", "net.prototxt", "train", "")["net"]


def test_description(bridge: Bridge) -> None:
    told = bridge("net_create", "net.prototxt", "test", "")
    assert told["layer_names"] == ["data", "label", "ip", "loss"]
    assert told["layer_types"] == ["Input", "Input", "InnerProduct", "SoftmaxWithLoss"]
    assert told["layer_params"].tolist() == [[0], [0], [2], [0]]
    assert told["blob_names"] == ["data", "label", "ip", "loss"]
    assert (told["inputs"], told["outputs"]) == (["data", "label"], ["loss"])
    assert bridge("net_describe", told["net"])["layer_names"] == told["layer_names"]


def test_shapes_are_turned_round(bridge: Bridge, net: Any) -> None:
    assert bridge("blob_shape", net, "data").ravel().tolist() == [2, 1, 3, 2]
    assert bridge("blob_shape", net, ["ip", 1]).ravel().tolist() == [6, 4]
    bridge("blob_reshape", net, "data", np.array([[2.0], [1], [3], [5]]))
    bridge("blob_reshape", net, "label", np.array([[5.0]]))
    bridge("net_reshape", net)
    assert bridge("blob_shape", net, "ip").ravel().tolist() == [4, 5]


def test_values_keep_their_order(bridge: Bridge, net: Any) -> None:
    data = np.arange(12, dtype="f4").reshape(2, 3, 1, 2)
    bridge("blob_set", net, "data", "data", data)
    assert np.array_equal(bridge("blob_get", net, "data", "data"), data)
    assert np.array_equal(bridge.session.get_blob(int(net.item()), "data"), data)
    bridge("blob_set", net, ["ip", 2], "diff", np.arange(4, dtype="f4").reshape(1, 4))  # a column of 4
    assert bridge("blob_get", net, ["ip", 2], "diff").tolist() == [[0, 1, 2, 3]]


def test_forward_and_backward(bridge: Bridge, net: Any) -> None:
    inputs = [np.ones((2, 3, 1, 2), "f4"), np.array([[1, 2]], "f4")]
    (loss,) = bridge("net_forward", net, ["data", "label"], inputs)
    assert loss.item() == pytest.approx(bridge.session.forward(int(net.item()))["loss"].item())
    gradients = bridge("net_backward", net, ["loss"], [np.array([[1]], "f4")])
    assert [each.shape for each in gradients] == [(2, 3, 1, 2), (1, 2)]
    assert np.any(gradients[0])
    assert bridge("net_run", net).size == 0
    assert bridge("net_run_back", net).size == 0


def test_sizes_that_do_not_fit(bridge: Bridge, net: Any) -> None:
    words = r"input data/diff size: \[ 2 1 2 3 \] vs target blob shape: \[ 2 1 3 2 \]$"
    with pytest.raises(ShapeError, match=words):
        bridge("blob_set", net, "data", "data", np.zeros((3, 2, 1, 2), "f4"))
    with pytest.raises(ShapeError, match=r"\[ 1 2 \] vs target blob shape: \[ 2 1 \]"):
        bridge("net_forward", net, ["data", "label"], [np.ones((2, 3, 1, 2), "f4"), np.zeros((2, 1), "f4")])
    assert not np.any(bridge("blob_get", net, "data", "data"))  # none is set when one does not fit


def test_weights_there_and_back(bridge: Bridge, net: Any, folder: Path) -> None:
    bridge("net_save", net, "weights.caffemodel")
    other = bridge("net_create", "net.prototxt", "test", "")["net"]
    bridge("net_copy_from", other, str(folder / "weights.caffemodel"))
    third = bridge("net_create", "net.prototxt", "test", "weights.caffemodel")["net"]
    for each in (other, third):
        same = bridge("blob_get", each, ["ip", 1], "data") == bridge("blob_get", net, ["ip", 1], "data")
        assert same.all()


def test_training_tells_and_stops(bridge: Bridge) -> None:
    told = bridge("solver_create", "solver.prototxt")
    solver = told["solver"]
    assert told["test_nets"] == []
    assert told["net"]["layer_names"] == ["data", "label", "ip", "loss"]
    assert bridge("solver_max_iter", solver).item() == 20
    bridge("solver_step", solver, 7)
    assert bridge("solver_iter", solver).item() == 7
    assert [line.split(" (")[0] for line in bridge.said if "iter/s" in line] == ["Iteration 0", "Iteration 5"]
    assert all(line.endswith("\n") for line in bridge.said)
    state = bridge("solver_snapshot", solver)
    bridge.stop_after = len(bridge.said) + 3  # two lines at the start, then iteration 10
    with pytest.raises(CancelledError, match="because you asked"):
        bridge("solver_solve", solver)
    assert 7 < bridge("solver_iter", solver).item() < 20
    bridge.stop_after = None
    bridge("solver_restore", solver, state)
    assert bridge("solver_iter", solver).item() == 7
    bridge("solver_solve", solver)
    assert bridge("solver_iter", solver).item() == 20


def test_a_cancelled_request_trains_no_further(bridge: Bridge) -> None:
    solver = bridge("solver_create", "solver.prototxt")["solver"]
    bridge.stop_after = 0
    with pytest.raises(CancelledError):
        bridge("solver_step", solver, 10)
    assert bridge("solver_iter", solver).item() <= 1


def test_release_and_reset(bridge: Bridge, net: Any) -> None:
    bridge("release", net)
    bridge("release", net)
    with pytest.raises(HandleError):
        bridge("blob_shape", net, "data")
    bridge("net_create", "net.prototxt", "test", "")
    bridge("solver_create", "solver.prototxt")
    assert bridge("reset").ravel().tolist() == [1, 1]
    assert bridge("reset").ravel().tolist() == [0, 0]


def test_paths(bridge: Bridge, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "below").mkdir()
    bridge("chdir", str(folder / "below"))
    assert os.getcwd() == str(folder / "below")
    with pytest.raises(MissingFileError, match=r"net\.prototxt"):
        bridge("net_create", "net.prototxt", "test", "")
    monkeypatch.setenv("HOME", str(folder))
    bridge("net_create", "~/net.prototxt", "test", "")
    with pytest.raises(FileError, match="cannot be the current folder"):
        bridge("chdir", str(folder / "nowhere"))


@pytest.mark.parametrize("shape", [(3, 5, 4), (5, 4), (1, 5, 4)])
def test_means(bridge: Bridge, folder: Path, shape: tuple[int, ...]) -> None:
    mean = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    bridge("write_mean", mean, "mean.binaryproto")
    assert np.array_equal(bridge("read_mean", "mean.binaryproto"), mean.reshape((1,) * (4 - mean.ndim) + shape))
    (folder / "mean.binaryproto").write_bytes(b"\xff\xff")
    with pytest.raises(CorruptFileError, match=r"^Could not read your mean file"):
        bridge("read_mean", "mean.binaryproto")


def test_what_is_no_command(bridge: Bridge, net: Any) -> None:
    for request in (["nonsense"], [], "version", None, [1], [["version"]]):
        with pytest.raises(ArgumentError, match="is not a command"):
            bridge.dispatch(request)
    assert bridge("version") == caffe_sdk.__version__
    for device in (0.5, np.array([[1.0, 2.0]]), float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="is not a whole number"):
            bridge("set_device", device)
    bridge("set_mode_cpu")
