"""Every row of the table of cases, in every way a layer can be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from caffe_sdk.engine import Engine, names, select
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.layers import REGISTRY
from caffe_sdk.memory import HOST, Array
from tests.cases.case import Case, Trial, put
from tests.cases.table import CASES, ELSEWHERE

STEP = 1e-5
REFERENCE = select("reference")

OTHERS = [*(name for name in names() if name != "reference"), "fake", "simulated"]

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_engine = pytest.mark.parametrize("engine", OTHERS)


def assert_close(got: Sequence[Array], expected: Sequence[Array], tolerance: float) -> None:
    """Equal to within ``tolerance`` of the largest expected magnitude, array by array."""
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max(initial=0)))


def test_every_layer_has_a_row(root: Path) -> None:
    ours = {name for name, cls in REGISTRY.items() if cls.__module__.startswith("caffe_sdk.")}
    tested = {case.type for case in CASES} | set(ELSEWHERE)
    assert ours == tested
    for path in ELSEWHERE.values():
        assert (root / path).is_file()


def test_rows_say_which_layers_compute_in_place() -> None:
    ours = {name for name, cls in REGISTRY.items() if cls.in_place} - set(ELSEWHERE)
    assert {case.type for case in CASES if case.in_place} == ours


def test_rows_have_names_of_their_own() -> None:
    names = [str(case) for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", [case for case in CASES if case.differentiable and case.bottoms], ids=str)
def test_gradient_is_that_of_the_function(case: Case) -> None:
    """Central differences in float64 on the reference engine."""
    trial = Trial(case, REFERENCE, np.float64)
    values, diffs = case.values(), trial.diffs()

    def objective() -> float:
        return float(sum((top * diff).sum() for top, diff in zip(trial.forward(values), diffs, strict=True)))

    objective()
    computed = trial.backward(diffs)
    wanted = [value for value, needed in zip(values, trial.needs, strict=True) if needed]
    measured = [differences(objective, value.reshape(-1), None).reshape(value.shape) for value in wanted]
    for blob in trial.learned():
        flat = blob.data_memory.read(HOST).copy()

        def change(flat: Array = flat, memory: object = blob.data_memory) -> None:
            put(memory, flat)  # type: ignore[arg-type]

        measured.append(differences(objective, flat, change).reshape(blob.shape))
    assert_close(computed, measured, case.tolerance)


def differences(objective: Callable[[], float], flat: Array, changed: Callable[[], None] | None) -> Array:
    """The derivative of an objective after each number of an array, which is changed in place and put back."""
    result = np.zeros(flat.size)
    for i, value in enumerate(flat.copy()):
        sides = []
        for side in (STEP, -STEP):
            flat[i] = value + side
            if changed is not None:
                changed()
            sides.append(objective())
        flat[i] = value
        if changed is not None:
            changed()
        result[i] = (sides[0] - sides[1]) / (2 * STEP)
    return result


def run(case: Case, engine: Engine, values: Sequence[Array], **options: bool) -> tuple[list[Array], list[Array]]:
    """Tops and parameters after forward, and gradients, of a fresh layer."""
    trial = Trial(case, engine, **options)
    if [value.shape for value in values] != [tuple(shape) for shape in case.bottoms]:
        trial.reshape([value.shape for value in values])
    return trial.forward(values) + trial.parameters(), trial.backward(trial.diffs())


@each_case
def test_nothing_is_computed_that_nobody_wants(case: Case) -> None:
    trial, recorder = Trial(case, REFERENCE), Recorder()
    trial.layer.param_needs = [False] * len(trial.layer.blobs)
    trial.layer.backward(cast(Engine, recorder), trial.top, [False] * len(trial.bottom), trial.bottom)
    assert not recorder.calls


@each_engine
@each_case
def test_engines_agree(case: Case, engine: str) -> None:
    """Call by call and as a program, the numbers are the reference's."""
    for programs in (False, True):
        tops, gradients = run(case, select(engine), case.values(), programs=programs)
        expected_tops, expected_gradients = run(case, REFERENCE, case.values())
        assert_close(tops, expected_tops, 2e-5)
        assert_close(gradients, expected_gradients, 5e-5)


@each_engine
@each_case
def test_programs_can_be_replayed(case: Case, engine: str) -> None:
    """The second run of a program sees new values, overwrites bottoms' diffs and adds to parameters' diffs."""
    trial, fresh = Trial(case, select(engine)), Trial(case, REFERENCE)
    second = [
        value if i in case.classes else np.flip(value) * 0.5 + case.high * 0.3 for i, value in enumerate(case.values())
    ]
    trial.forward(case.values())
    trial.backward(trial.diffs())
    assert_close(trial.forward(second), fresh.forward(second), 2e-5)
    once = fresh.backward(fresh.diffs())
    assert_close(trial.backward(trial.diffs()), once, 5e-5)
    trial._run("backward")
    bottoms = sum(trial.needs)
    twice = [(1 if i < bottoms else 2) * gradient for i, gradient in enumerate(once)]
    assert_close([memory.read(HOST).reshape(shape) for memory, shape in trial.gradients()], twice, 1e-4)


@pytest.mark.parametrize("engine", ["reference", *OTHERS])
@pytest.mark.parametrize("case", [case for case in CASES if case.in_place], ids=str)
def test_in_place_equals_out_of_place(case: Case, engine: str) -> None:
    tops, gradients = run(case, select(engine), case.values(), in_place=True)
    expected_tops, expected_gradients = run(case, REFERENCE, case.values())
    assert_close(tops, expected_tops, 1e-5)
    assert_close(gradients, expected_gradients, 5e-5)


batched = [case for case in CASES if case.batched and case.bottoms]


@pytest.mark.parametrize("engine", ["reference", *OTHERS])
@pytest.mark.parametrize("case", batched, ids=str)
def test_reshape_there_and_back(case: Case, engine: str) -> None:
    """A larger batch and the first one again give what fresh layers give."""
    trial = Trial(case, select(engine))
    for factor in (1, 2, 1):
        values = case.values(factor)
        trial.reshape([value.shape for value in values])
        tops, gradients = trial.forward(values), trial.backward(trial.diffs())
        expected_tops, expected_gradients = run(case, REFERENCE, values)
        assert_close(tops, expected_tops[: len(tops)], 2e-5)
        assert_close(gradients, expected_gradients, 5e-5)


@pytest.mark.parametrize("engine", ["reference", *OTHERS])
@pytest.mark.parametrize("case", batched, ids=str)
def test_empty_batch(case: Case, engine: str) -> None:
    """Nothing in, nothing out: losses and parameters' gradients are 0."""
    values = case.values(0)
    tops, gradients = run(case, select(engine), values)
    assert all(np.isfinite(top).all() for top in tops)
    assert not any(gradient.any() for gradient in gradients)
