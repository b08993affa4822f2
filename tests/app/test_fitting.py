"""Training on arrays: mini-batches in the order that was asked for, and the numbers of the one Solver."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk.app.fitting import Examples, Fit, Plan, Step, correct, fit_arrays, fit_solver, read_model
from caffe_sdk.errors import ArgumentError, ShapeError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import SolverParameter

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3
        weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
SCORES = NET[: NET.index('layer { name: "prob"')]
SOLVER = 'base_lr: 0.1 lr_policy: "fixed" momentum: 0.9'
PLAN = Plan(epochs=3, batch=4, seed=7, validate_every=2)


def examples(count: int = 14, seed: int = 1) -> Examples:
    """Points around three corners."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    corners = np.array([[2, 0], [-2, 1], [0, -3]])
    return Examples(corners[labels] + rng.normal(0, 0.3, (count, 2)), labels)


def fit(plan: Plan = PLAN, validation: Examples | None = None, train: Examples | None = None, **more: Any) -> Fit:
    model = read_model(more.pop("model", NET))
    return fit_arrays(model, train or examples(), plan, more.pop("solver", SOLVER), validation, **more)


def test_steps_are_counted_by_iteration_and_epoch() -> None:
    with fit() as training:
        steps = list(training.steps())
    assert [step.iteration for step in steps] == list(range(1, 10))
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert steps[-1].loss < steps[0].loss / 2
    assert all(math.isnan(step.validation_loss) for step in steps)
    assert [step.rate for step in steps] == pytest.approx([0.1] * 9)


def test_the_losses_are_those_of_a_solver_fed_by_hand() -> None:
    data, labels = (np.asarray(array, np.float32) for array in examples())
    order = np.random.default_rng(7).permutation(14)
    with fit() as training:
        config = training.solver.param
        wanted = []
        param = prototxt.parse(str(config), SolverParameter)
        with caffe.get_solver(param) as solver:
            for iteration in range(9):
                rows = order[iteration % 3 * 4 :][:4]
                solver.net.blobs["data"].data[...] = data[rows]
                solver.net.blobs["label"].data[...] = labels[rows]
                solver.step(1)
                wanted.append(float(solver.net.blobs["loss"].data))
        # the weights above and here are drawn from the same seed
        np.testing.assert_allclose([step.loss for step in fit_again().steps()], wanted, rtol=1e-6)


def fit_again() -> Fit:
    return fit()


@pytest.mark.parametrize("shuffle", ["once", "never", "every-epoch"])
def test_the_order_of_an_epoch(shuffle: str) -> None:
    train = Examples(np.arange(28).reshape(14, 2), np.zeros(14))
    seen: list[list[float]] = []
    with fit(replace(PLAN, shuffle=shuffle), train=train) as training:
        training.solver.add_callback(
            after_iteration=lambda _: seen.append(
                [row[0] / 2 for row in training.solver.net.blobs["data"].data.tolist()]
            )
        )
        list(training.steps())
    epochs = [[*seen[start], *seen[start + 1], *seen[start + 2]] for start in (0, 3, 6)]
    assert all(len(set(epoch)) == 12 for epoch in epochs)
    assert (epochs[0] == list(range(12))) == (shuffle == "never")
    assert (epochs[0] == epochs[1]) == (shuffle != "every-epoch")


def test_validation_is_over_all_examples() -> None:
    validation = examples(7, seed=2)
    with fit(validation=validation) as training:
        steps = list(training.steps())
        weights, bias = (np.array(blob.data) for blob in training.solver.net.params["ip"])
    assert [s.iteration for s in steps if not math.isnan(s.validation_loss)] == [0, 2, 4, 6, 8, 9]
    scores = validation.data @ weights.T + bias
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert steps[-1].validation_loss == pytest.approx(-logs[np.arange(7), validation.targets].mean(), rel=1e-4)
    assert steps[-1].validation_accuracy == correct(scores, validation.targets) / 7


def test_patience_and_the_best_weights() -> None:
    wrong = Examples(examples().data, (examples().targets + 1) % 3)  # gets worse as training goes
    with fit(replace(PLAN, epochs=20, patience=3, keep_best=True), wrong) as training:
        steps = list(training.steps())
        assert training.stopped == "Met validation criterion"
        assert len(steps) < 20
        losses = [step.validation_loss for step in steps if step.iteration]
        judged = training._validation
        assert judged is not None
        assert judged()[0] == pytest.approx(np.nanmin(losses))


def test_a_training_is_stopped() -> None:
    steps: list[Step] = []
    with fit() as training:
        for step in training.steps():
            steps.append(step)
            if step.iteration == 4:
                training.stop()
        assert training.stopped == "Stopped by user"
    assert len(steps) == 4


def test_checkpoints_and_weights_to_begin_with(tmp_path: Path) -> None:
    with fit(replace(PLAN, checkpoint=str(tmp_path / "net_"), checkpoint_every=2)) as training:
        list(training.steps())
        weights = training.weights()
    assert (tmp_path / "net__iter_6.caffemodel").exists()
    (tmp_path / "end.caffemodel").write_bytes(weights)
    with fit(weights=str(tmp_path / "end.caffemodel")) as training:
        assert next(training.steps()).loss < 0.4


def test_values_to_come_near_to() -> None:
    train = examples()
    targets = np.stack([train.data.sum(axis=1)] * 3, axis=1)
    slow = SOLVER.replace("0.1", "0.01")
    with fit(replace(PLAN, epochs=20), train=Examples(train.data, targets), solver=slow, model=SCORES) as training:
        steps = list(training.steps())
    assert steps[-1].loss < steps[0].loss
    assert math.isnan(steps[0].accuracy)


SOLVED = """
layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 4 dim: 2 } shape { dim: 4 }
        data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "y" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
"""


def test_a_solver_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tests = "max_iter: 6 test_iter: 2 test_interval: 3 random_seed: 3 snapshot_after_train: false"
    (tmp_path / "net.prototxt").write_text(SOLVED)
    (tmp_path / "solver.prototxt").write_text(f'net: "net.prototxt" {SOLVER} {tests}')
    with fit_solver("solver.prototxt") as training:
        steps = list(training.steps())
        assert [layer.type for layer in training.deployed.layer] == ["Input", "InnerProduct", "Softmax"]
    made = [step for step in steps if not math.isnan(step.loss)]
    tested = [step for step in steps if math.isnan(step.loss)]
    assert [step.iteration for step in made] == [1, 2, 3, 4, 5, 6]
    assert [step.iteration for step in tested] == [0, 3, 6]
    assert tested[-1].validation_accuracy == 1
    assert made[-1].accuracy == 1
    with caffe.get_solver("solver.prototxt") as solver:
        solver.step(1)
        assert made[0].loss == pytest.approx(float(solver.net.blobs["loss"].data))


def test_a_solver_file_says_how_images_become_inputs(tmp_path: Path, rng: np.random.Generator) -> None:
    for i in range(2):
        Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "list.txt").write_text("0.png 0\n1.png 1\n")
    source = f'''layer {{ name: "d" type: "ImageData" top: "x" top: "y" transform_param {{ scale: 0.5 mean_value: 9 }}
        image_data_param {{ source: "{tmp_path}/list.txt" root_folder: "{tmp_path}/" batch_size: 2 }} }}'''
    (tmp_path / "net.prototxt").write_text(source + SOLVED[SOLVED.index('layer { name: "ip"') :])
    (tmp_path / "solver.prototxt").write_text(f'net: "{tmp_path}/net.prototxt" {SOLVER} max_iter: 1')
    with fit_solver(str(tmp_path / "solver.prototxt")) as training:
        record = training.record
    assert record is not None
    assert (record.channels, record.scale) == ("BGR", 0.5)
    assert record.mean is not None
    assert record.mean.tolist() == [9, 9, 9]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"epochs": 0}, "epochs: is 0"), ({"shuffle": "x"}, "use one of once"), ({"patience": 0.5}, "patience")],
)
def test_plans_that_make_no_sense(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        replace(PLAN, **change)


def test_arrays_that_do_not_fit() -> None:
    few, odd = examples(3), Examples(np.ones((4, 2)), np.ones(3))
    with pytest.raises(ArgumentError, match="3 items for mini-batches of 4"):
        fit(train=few)
    with pytest.raises(ArgumentError, match="4 items and 3 targets"):
        fit(train=odd)
    with pytest.raises(ShapeError, match="in training"):
        fit(validation=Examples(np.ones((4, 5)), np.ones(4)))
