from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError, HandleError
from caffe_sdk.memory import Array
from caffe_sdk.server.inference.calls import Answer, InferCall, Tensor, Wanted, deadline, start
from caffe_sdk.serving import Repository
from tests.serving.models import SUM, expected, put


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = put(tmp_path)
    (folder / "labels.txt").write_text("zero\none:1\ntwo\n")
    put(tmp_path, "sum", text=SUM)
    with Repository(tmp_path) as repository:
        repository.poll()
        yield repository


def numbers(values: Array, name: str = "data") -> Tensor:
    return Tensor(name, "FP32", values.shape, values)


def infer(repository: Repository, values: Array, *outputs: Wanted) -> Answer:
    return start(repository, InferCall("small", inputs=[numbers(values)], outputs=outputs)).answer()


def test_a_call_and_its_answer(repository: Repository, tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    answer = start(repository, InferCall("small", "1", "mine", [numbers(values)])).answer()
    assert (answer.model, answer.version, answer.id) == ("small", "1", "mine")
    (prob,) = answer.outputs
    assert (prob.name, prob.datatype, prob.shape) == ("prob", "FP32", (2, 5))
    np.testing.assert_allclose(prob.values, expected(tmp_path / "small" / "1", data=values)["prob"], rtol=1e-5)


def test_the_same_output_twice_as_numbers_and_as_classes(repository: Repository, rng: np.random.Generator) -> None:
    values = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    prob, classes = infer(repository, values, Wanted("prob"), Wanted("prob", 9)).outputs
    assert isinstance(prob.values, np.ndarray)
    assert (classes.datatype, classes.shape) == ("BYTES", (2, 5))
    assert isinstance(classes.values, list)
    best = np.argsort(-prob.values, axis=1)
    labels = {0: ":zero", 1: ":one:1", 2: ":two"}
    want = [f"{prob.values[i, k]:f}:{k}{labels.get(k, '')}" for i in range(2) for k in best[i].tolist()]
    assert [text.decode() for text in classes.values] == want


def test_equal_values_come_by_number_and_nans_last(repository: Repository) -> None:
    a = np.array([[1.0, np.nan, 1.0]], np.float32)
    call = InferCall(
        "sum", inputs=[numbers(a, "a"), numbers(np.zeros((1, 3), np.float32), "b")], outputs=[Wanted("sum", 3)]
    )
    (classes,) = start(repository, call).answer().outputs
    assert classes.values == [b"1.000000:0", b"1.000000:2", b"nan:1"]


@pytest.mark.parametrize(("timeout", "remaining", "seconds"), [(0, 3.0, 3), (2_000_000, 3.0, 2), (2_000_000, None, 2)])
def test_the_nearer_deadline_counts(timeout: int, remaining: float | None, seconds: float) -> None:
    found = deadline(InferCall("x", parameters={"timeout": timeout}), remaining)
    assert found is not None
    assert found - time.monotonic() == pytest.approx(seconds, abs=0.5)


def test_without_a_deadline() -> None:
    assert deadline(InferCall("x"), None) is None


def test_models_and_inputs_there_are_none_of(repository: Repository) -> None:
    with pytest.raises(HandleError, match="there is none of this name"):
        start(repository, InferCall("other"))
    images = [Tensor(name, "BYTES", (1,), [b""]) for name in ("a", "b")]
    with pytest.raises(ArgumentError, match="the second tensor of BYTES"):
        start(repository, InferCall("sum", inputs=images))
