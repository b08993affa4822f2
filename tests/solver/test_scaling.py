"""Training in 16 bits: as in float32, with a loss scale that is found, kept in snapshots, and seen by nobody."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk import engine
from caffe_sdk.engine.cuda import scaling
from caffe_sdk.errors import SolverError
from caffe_sdk.solver import Iteration, get_solver
from tests.engine.cuda.twins import on_a_gpu
from tests.solver.models import DIGITS, LINEAR, assert_same, linear, weights, write, write_digits

FLOAT16, BFLOAT16 = (f"{'cuda' if on_a_gpu() else 'simulated'}:{name}" for name in ("float16", "bfloat16"))
TRAINING = 'net: "net.prototxt" base_lr: 0.05 momentum: 0.9 lr_policy: "fixed" random_seed: 3 average_loss: 3 '
SAVED = TRAINING + 'snapshot: 2 snapshot_prefix: "s" '


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def losses(path: Path, name: str, iterations: int) -> list[float]:
    with engine.use(name), get_solver(path) as solver:
        return [event.loss for event in solver.events(iterations) if isinstance(event, Iteration)]


@pytest.mark.parametrize(("name", "tolerance"), [(FLOAT16, 5e-3), (BFLOAT16, 4e-2)])
@pytest.mark.parametrize("more", ["", "iter_size: 2 ", "clip_gradients: 0.5 ", 'type: "Adam" momentum2: 0.99 '])
def test_a_net_learns_as_with_floats(tmp_path: Path, name: str, tolerance: float, more: str) -> None:
    write_digits(tmp_path)
    solver = TRAINING.replace("0.05", "0.002") if "Adam" in more else TRAINING
    path = write(tmp_path, solver + more, DIGITS.replace("scale: 0.0039", "scale: 0.0039 mean_value: 128"))
    expected = losses(path, "reference", 8)
    np.testing.assert_allclose(losses(path, name, 8), expected, rtol=tolerance)


def test_gradients_that_users_see_are_not_scaled(tmp_path: Path) -> None:
    seen = []
    for name in ("reference", FLOAT16):
        with engine.use(name), linear(tmp_path, TRAINING) as solver:
            solver.step(1)
            seen.append([np.array(solver.net.blobs["scores"].diff), np.array(solver.net.params["ip"][0].diff)])
    for mine, theirs in zip(seen[1], seen[0], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=5e-3, atol=1e-6)


def test_a_scale_that_is_too_large_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Updates are left out until it fits; then weights change, and what was left out has left no trace."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(scaling, "FIRST", 2.0**20)  # of gradients of the scores up to 0.125 more than 65504
    with engine.use(FLOAT16), linear(tmp_path, TRAINING) as solver:
        first = weights(solver)
        solver.step(1)
        assert_same(weights(solver), first)
        solver.step(7)
        assert solver.iter == 8
        scale = solver.scaling.scale
        assert scale is not None
        assert scale.skipped > 0
        assert scale.value == 2.0 ** (20 - scale.skipped)
        assert all(np.isfinite(weight).all() for weight in weights(solver))
        assert not np.array_equal(weights(solver)[0], first[0])
    assert caplog.text.count("its update was left out") == scale.skipped


def test_a_resumed_training_equals_the_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "FIRST", 2.0**20)
    monkeypatch.setattr(scaling, "GOOD", 2)
    write_digits(tmp_path)
    path = write(tmp_path, SAVED, DIGITS)
    with engine.use(FLOAT16):
        with get_solver(path) as whole:
            whole.step(7)
            final, state = weights(whole), whole.scaling.state()
        record = json.loads((tmp_path / "s_iter_4_resume.json").read_text())
        assert record["scale"]["value"] < 2**20
        with get_solver(path) as resumed:
            resumed.restore("s_iter_4.solverstate")
            resumed.step(3)
            assert_same(weights(resumed), final)
            assert resumed.scaling.state() == state
    with engine.use("reference"), get_solver(path) as elsewhere:
        elsewhere.restore("s_iter_4.solverstate")
        assert elsewhere.scaling.state() is None
        elsewhere.step(1)


def test_a_record_without_a_scale_will_do(tmp_path: Path) -> None:
    with engine.use("reference"), linear(tmp_path, SAVED) as solver:
        solver.step(2)
    path = tmp_path / "s_iter_2_resume.json"
    record = json.loads(path.read_text())
    assert record.pop("scale") is None
    path.write_text(json.dumps(record))
    with engine.use(FLOAT16), linear(tmp_path, SAVED) as solver:
        solver.restore("s_iter_2.solverstate")
        assert solver.scaling.state() == {"value": scaling.FIRST, "good": 0, "skipped": 0}


def test_gradients_that_no_scale_helps_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "FIRST", 2.0)
    with engine.use(FLOAT16), linear(tmp_path, TRAINING) as solver:

        def spoil() -> None:
            solver.net.params["ip"][0].diff[0, 0] = np.nan

        solver.add_callback(on_gradients_ready=spoil)
        with pytest.raises(SolverError, match="no loss scale helps"):
            solver.step(4)
        assert solver.iter == 2


def test_several_losses_have_one_scale(tmp_path: Path) -> None:
    second = """layer { name: "l2" type: "EuclideanLoss" bottom: "scores" bottom: "scores" top: "l2" loss_weight: 3 }
layer { name: "p" type: "Power" bottom: "scores" top: "p" power_param { power: 2 } }
layer { name: "sum" type: "Reduction" bottom: "p" top: "sum" loss_weight: 0.01 }"""
    seen = []
    for name in ("reference", FLOAT16):
        path = write(tmp_path, TRAINING, LINEAR + second)
        with engine.use(name), get_solver(path) as solver:
            solver.net.blobs["data"].data[...] = np.random.default_rng(1).standard_normal((4, 3))
            solver.step(3)
            seen.append(weights(solver))
    for mine, theirs in zip(seen[1], seen[0], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=5e-3, atol=1e-4)
