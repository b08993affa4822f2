from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.app import tasks
from caffe_sdk.app.tasks import TestBatch, TestResult, TimedIteration, TimeResult
from caffe_sdk.errors import ArgumentError, DeviceError, MissingFileError
from caffe_sdk.net import Net
from tests.app.texts import NET, SOLVER

SCORED = """
name: "scored"
layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 4 dim: 6 } shape { dim: 4 } } }
layer { name: "score" type: "InnerProduct" bottom: "data" top: "score"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" loss_weight: 2 }
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy" include { stage: "scored" } }
"""


@pytest.fixture
def solver_file(tmp_path: Path) -> str:
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return str(tmp_path / "solver.prototxt")


def test_a_solver_opens_with_weights(tmp_path: Path, solver_file: str) -> None:
    with tasks.open_solver(solver_file) as first:
        first.net.save(tmp_path / "a.caffemodel")
        expected = first.net.params["score"][0].data.copy()
    path = str(tmp_path / "a.caffemodel")
    with tasks.open_solver(solver_file, weights=f"{path},{path}") as second:
        for net in (second.net, *second.test_nets):
            np.testing.assert_array_equal(net.params["score"][0].data, expected)


def test_weights_replace_those_the_solver_names(tmp_path: Path, solver_file: str) -> None:
    with Path(solver_file).open("a") as file:
        file.write('weights: "not_there.caffemodel"')
    with pytest.raises(MissingFileError, match=r"not_there\.caffemodel"):
        tasks.open_solver(solver_file)
    with Net(_net_of(tmp_path), 1) as net:
        net.save(tmp_path / "a.caffemodel")
    tasks.open_solver(solver_file, weights=str(tmp_path / "a.caffemodel")).close()


def test_a_solver_goes_on_from_a_snapshot(tmp_path: Path, solver_file: str) -> None:
    with tasks.open_solver(solver_file) as first:
        first.step(3)
        state = first.snapshot()
    with tasks.open_solver(solver_file, snapshot=state) as second:
        assert second.iter == 3
        assert [type(event).__name__ for event in second.events()][-1] == "Finished"
        assert second.iter == 20


def test_weights_and_snapshot_exclude_each_other(solver_file: str) -> None:
    with pytest.raises(ArgumentError, match="Give a snapshot to resume training or weights to finetune but not both"):
        tasks.open_solver(solver_file, weights="a", snapshot="b")


def test_a_missing_snapshot_closes_the_solver(solver_file: str) -> None:
    with pytest.raises(MissingFileError, match=r"no\.solverstate"):
        tasks.open_solver(solver_file, snapshot="no.solverstate")


def test_level_and_stages_choose_layers_of_the_train_net(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(
        NET.replace('bottom: "conv" top: "conv" }', 'bottom: "conv" top: "conv" include { stage: "s" min_level: 2 } }')
    )
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt" base_lr: 1 lr_policy: "fixed"')
    for level, stages, expected in ((0, (), False), (2, ("s",), True), (1, ("s",), False), (2, ("t",), False)):
        with tasks.open_solver(str(tmp_path / "solver.prototxt"), level=level, stages=stages) as solver:
            assert ("relu" in solver.net.layer_dict) == expected


def test_evaluating_gives_batches_and_means(tmp_path: Path) -> None:
    model = tmp_path / "net.prototxt"
    model.write_text(SCORED)
    *batches, result = tasks.evaluate(str(model), iterations=3, stages=["scored"])
    assert [batch.batch for batch in batches if isinstance(batch, TestBatch)] == [0, 1, 2]
    assert isinstance(result, TestResult)
    assert [output.name for output in result.outputs] == ["accuracy", "loss"]
    accuracy, loss = result.outputs
    # all scores are equal for an input of zeros: every class is as likely, and ties count against the label
    assert (accuracy.value, accuracy.loss_weight) == (0.0, 0.0)
    assert loss.value == pytest.approx(np.log(3))
    assert loss.loss_weight == 2
    assert result.loss == pytest.approx(2 * np.log(3))


def test_means_are_taken_over_the_batches(tmp_path: Path) -> None:
    model = tmp_path / "net.prototxt"
    model.write_text(
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 2 } } }'
        'layer { name: "r" type: "Dropout" bottom: "d" top: "e" }'
    )
    *batches, result = tasks.evaluate(str(model), iterations=2)
    assert all(len(each.outputs) == 4 for each in (*batches, result))


def test_evaluating_with_weights(tmp_path: Path) -> None:
    model = _net_of(tmp_path)
    with Net(model, 1) as net:
        net.save(tmp_path / "a.caffemodel")
    *_, result = tasks.evaluate(model, str(tmp_path / "a.caffemodel"), iterations=1)
    assert isinstance(result, TestResult)
    with pytest.raises(MissingFileError):
        list(tasks.evaluate(model, str(tmp_path / "b.caffemodel")))


def test_measuring_times_the_net_and_its_layers(tmp_path: Path) -> None:
    model = tmp_path / "net.prototxt"
    model.write_text(NET)
    *iterations, result = tasks.measure(str(model), iterations=2)
    assert [each.iteration for each in iterations if isinstance(each, TimedIteration)] == [0, 1]
    assert isinstance(result, TimeResult)
    assert [(layer.name, layer.type) for layer in result.layers][1] == ("conv", "Convolution")
    assert all(layer.forward > 0 and layer.backward >= 0 for layer in result.layers)
    assert result.total == pytest.approx(2 * (result.forward + result.backward))
    assert any("conv" in step.layers for step in result.forward_steps)
    assert any("conv" in step.layers for step in result.backward_steps)


@pytest.mark.parametrize("task", [tasks.evaluate, tasks.measure])
def test_iterations_are_positive(task: object) -> None:
    with pytest.raises(ArgumentError, match="0 iterations"):
        list(task("net.prototxt", iterations=0))  # type: ignore[operator]


def test_measuring_in_no_phase() -> None:
    with pytest.raises(ArgumentError, match="'both' is no phase"):
        list(tasks.measure("net.prototxt", phase="both"))


def test_devices_are_told() -> None:
    facts = {fact.name: fact.value for fact in tasks.device_query()}
    assert facts["Engine"] in [*facts["Engines"].split(", "), "fake"]
    assert "none" in facts["GPUs"]
    assert all(facts.values())


def _net_of(folder: Path) -> str:
    """The file of the net that SOLVER trains."""
    text = SOLVER[SOLVER.index("{") + 1 : SOLVER.index("\n}")]
    (folder / "net.prototxt").write_text(text)
    return str(folder / "net.prototxt")


def test_a_missing_onednn_is_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise DeviceError("oneDNN", "is not installed", "install it")

    monkeypatch.setattr("caffe_sdk.engine.cpu.library.library", missing)
    facts = {fact.name: fact.value for fact in tasks.device_query()}
    assert facts["oneDNN"] == "none: oneDNN: is not installed; install it"


def test_measuring_with_weights(tmp_path: Path) -> None:
    model = _net_of(tmp_path)
    with Net(model, 1) as net:
        net.save(tmp_path / "a.caffemodel")
    *_, result = tasks.measure(model, iterations=1, phase="test", weights=str(tmp_path / "a.caffemodel"))
    assert isinstance(result, TimeResult)
    assert [layer.name for layer in result.layers] == ["data", "score", "accuracy"]
    with pytest.raises(MissingFileError):
        list(tasks.measure(model, weights="no.caffemodel"))
