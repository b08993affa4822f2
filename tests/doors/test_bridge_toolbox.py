"""The toolbox's commands, asked as a client asks them. What they mean is tested in Octave: tests/matlab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffe_sdk.solver.solvers
from caffe_sdk.bridge.looking import Looking
from caffe_sdk.bridge.making import Making
from caffe_sdk.bridge.toolbox import Toolbox
from caffe_sdk.bridge.training import RULES, solver_of
from caffe_sdk.bridge.translate import average_of, items_of, pixels_of, turned
from caffe_sdk.errors import ArgumentError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.schema.wire import BlobArray, write_blob
from tests.doors.test_bridge_dispatch import Bridge

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 1 } }
"""


@pytest.fixture
def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bridge:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    return Bridge()


def test_images_come_back_as_they_went(bridge: Bridge, rng: np.random.Generator) -> None:
    """What is H x W x C x N in MATLAB is (N, C, W, H) here."""
    images = rng.integers(0, 256, (6, 3, 5, 4), np.uint8)
    net = bridge("import_net", "net.prototxt", "", {"Channels": "RGB"})["net"]
    found = bridge("net_infer", net, images, "pool", {"MiniBatchSize": 4})
    np.testing.assert_array_equal(found["values"], images)
    assert found["axes"].item() == 4
    assert bridge("net_classes", net).size == 0


def test_the_client_is_warned_where_no_record_is(bridge: Bridge) -> None:
    net = bridge("net_create", "net.prototxt", "test", "")["net"]
    found = bridge("net_infer", net, np.full((3, 5, 4), 255, np.uint8), "data", {})
    assert found["values"].max() == 1
    assert "no record of preprocessing" in bridge.said[0]


def test_what_is_known_of_a_net_goes_with_it(bridge: Bridge) -> None:
    first, second = (bridge("import_net", "net.prototxt", "", {"Classes": [name]})["net"] for name in "ab")
    bridge("release", first)
    toolbox: Toolbox = bridge.dispatch.toolbox
    assert list(toolbox.classes.values()) == [["b"]]
    assert bridge("net_classes", second) == ["b"]
    bridge("reset")
    assert not toolbox.classes


def test_nets_written_elsewhere_and_nets_in_mat_files(bridge: Bridge) -> None:
    layers = [
        {"type": "Input", "inputs": np.empty((0, 2)), "params": [["shape", {"dim": np.array([1.0, 2])}]]},
        {"type": "InnerProduct", "inputs": np.array([[0.0], [0]]), "params": [["num_output", np.array([[3.0]])]]},
    ]
    text = bridge("spec_proto", layers, [{"name": "ip", "layer": 1, "top": 0}])
    assert isinstance(Making(bridge.session, {}, lambda net, classes: {}).table, dict)
    net = bridge("spec_net", text, "test")["net"]
    bridge("mat_save", net, "net.mat")
    again = bridge("mat_load", "net.mat")
    assert again["layer_names"] == ["Input1", "ip"]
    np.testing.assert_array_equal(
        bridge("blob_get", again["net"], ["ip", 1], "data"), bridge("blob_get", net, ["ip", 1], "data")
    )


def test_windows_of_matlab(bridge: Bridge) -> None:
    net = bridge("import_net", "net.prototxt", "", {"Channels": "RGB"})["net"]
    given = {"ContextPad": 0, "MiniBatchSize": 8, "Threshold": -np.inf, "Overlap": 1, "Softmax": False}
    options = {name: np.array([[float(value)]]) for name, value in given.items()}
    image = np.arange(3 * 20 * 10.0).reshape(3, 20, 10)  # 10 high, 20 wide
    boxes = np.array([[2.0, 1], [3, 1], [5, 20], [4, 10]])  # two, x y width height
    found = bridge("detect", net, image, boxes, options)
    np.testing.assert_array_equal(found["boxes"], boxes)
    assert found["scores"].shape == (60, 2)
    table = Looking(bridge.session).table
    for wrong in (np.ones((3, 2)), np.ones((2, 4, 1))):
        with pytest.raises(ArgumentError, match="boxes of size"):
            table["detect"](np.array([[net.item()]]), image, wrong, options)
    with pytest.raises(ArgumentError, match="2 images"):
        table["detect"](np.array([[net.item()]]), np.ones((2, 3, 4, 4)), boxes, options)


@pytest.mark.parametrize("size", [[256], [0, 3], [1, 2, 3]])
def test_sizes_to_resize_to(bridge: Bridge, size: list[int]) -> None:
    with pytest.raises(ArgumentError, match=r"give \[height width\]"):
        bridge("import_net", "net.prototxt", "", {"ResizeTo": np.array(size)})


def test_averages(tmp_path: Path, rng: np.random.Generator) -> None:
    image = rng.random((3, 5, 4))
    assert average_of(np.array([[1.0, 2, 3]]), "BGR").tolist() == [3, 2, 1]  # type: ignore[union-attr]
    np.testing.assert_array_equal(average_of(image, "RGB"), image.swapaxes(1, 2).astype(np.float32))
    write_blob(tmp_path / "mean.binaryproto", BlobArray(image[None].astype(np.float32), legacy=True))
    np.testing.assert_array_equal(average_of(str(tmp_path / "mean.binaryproto"), "BGR"), image.astype(np.float32))
    assert average_of(np.empty((0, 0)), "BGR") is None
    with pytest.raises(ArgumentError, match="give height x width x 3, or 3 numbers"):
        average_of(np.ones((4, 4)), "BGR")


def test_arrays_of_matlab() -> None:
    assert pixels_of(np.ones((7, 5))).shape == (1, 1, 5, 7)
    assert items_of(np.ones((7, 5)), 2).shape == (5, 7)  # type: ignore[union-attr]
    assert items_of(["a", "~/b"], 4)[0] == "a"
    assert turned(np.ones((2, 7))).shape == (7, 2)
    assert turned(np.ones((2, 3, 4, 5))).shape == (2, 3, 5, 4)
    with pytest.raises(ArgumentError, match="5 axes"):
        pixels_of(np.ones((1, 1, 1, 1, 1)))


OPTIONS = {
    "MaxEpochs": 3,
    "MiniBatchSize": 10,
    "InitialLearnRate": 0.5,
    "L2Regularization": 0.001,
    "Momentum": 0.8,
    "GradientDecayFactor": 0.7,
    "SquaredGradientDecayFactor": 0.6,
    "Epsilon": 1e-3,
    "GradientThreshold": np.inf,
    "LearnRateDropFactor": 0.2,
    "LearnRateDropPeriod": 4,
}


def options(**changes: str | float) -> dict[str, Any]:
    """trainingOptions as they arrive."""
    given = {**OPTIONS, "Solver": "sgdm", "LearnRateSchedule": "none", **changes}
    return {name: value if isinstance(value, str) else np.array([[value]], float) for name, value in given.items()}


@pytest.mark.parametrize("name", RULES)
def test_the_solvers_of_matlab(name: str) -> None:
    param = prototxt.parse(solver_of(options(Solver=name), 100), SolverParameter)
    assert param.type in caffe_sdk.solver.solvers.SOLVERS
    assert (param.base_lr, param.weight_decay, param.lr_policy) == pytest.approx((0.5, 0.001, "fixed"))
    wanted = {"sgdm": param.momentum == pytest.approx(0.8), "rmsprop": param.rms_decay == pytest.approx(0.6)}
    assert wanted.get(name, True)


def test_rates_that_fall_and_gradients_that_are_bounded() -> None:
    given = options(LearnRateSchedule="piecewise", GradientThreshold=2)
    param = prototxt.parse(solver_of(given, 105), SolverParameter)
    assert (param.lr_policy, param.stepsize, param.gamma) == ("step", 4 * 10, pytest.approx(0.2))
    assert param.clip_gradients == 2
    for wrong in ({"Solver": "x"}, {"LearnRateSchedule": "x"}, {"GradientThreshold": -1}):
        with pytest.raises(ArgumentError, match="trainingOptions"):
            solver_of(options(**wrong), 100)
