"""A served model: what comes out is what the net gives, and what is wrong is told at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_sdk.errors import ArgumentError, CorruptFileError, DeadlineError, NotReadyError, ShapeError
from caffe_sdk.serving import InferRequest, Repository, ServedModel, TensorSpec
from tests.serving.models import SUM, expected, put


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    put(tmp_path)
    put(tmp_path, "sum", None, SUM)
    with Repository(tmp_path) as repository:
        repository.poll()
        yield repository


@pytest.fixture
def small(repository: Repository) -> ServedModel:
    return repository.get("small")


def images(count: int) -> dict[str, np.ndarray]:
    return {"data": np.random.default_rng(count).normal(size=(count, 3, 8, 8)).astype(np.float32)}


def test_what_clients_may_know(repository: Repository, small: ServedModel) -> None:
    assert (small.name, small.version, small.labels) == ("small", "1", None)
    assert small.inputs == (TensorSpec("data", (-1, 3, 8, 8), "FP32"),)
    assert small.outputs == (TensorSpec("prob", (-1, 5), "FP32"),)
    assert [spec.name for spec in repository.get("sum", "1").inputs] == ["a", "b"]
    assert small.takes_images
    assert not repository.get("sum").takes_images


@pytest.mark.parametrize("count", [1, 3, 11])
def test_results_are_the_nets(tmp_path: Path, small: ServedModel, count: int) -> None:
    result = small.infer(InferRequest(images(count), id="mine"))
    assert (result.model, result.version, result.id) == ("small", "1", "mine")
    wanted = expected(tmp_path / "small" / "1", **images(count))
    np.testing.assert_allclose(result.outputs["prob"], wanted["prob"], rtol=1e-4)
    assert result.timings.compute_infer > 0
    assert result.timings.batch >= count


def test_results_stay_as_they_are(small: ServedModel) -> None:
    first = small.infer(InferRequest(images(2))).outputs["prob"]
    kept = first.copy()
    small.infer(InferRequest(images(3)))
    np.testing.assert_array_equal(first, kept)


def test_any_blob_and_any_type_of_number(small: ServedModel) -> None:
    whole = np.arange(192).reshape(1, 3, 8, 8)
    outputs = small.infer(InferRequest({"data": whole}, outputs=("fc", "conv"))).outputs
    assert {name: values.shape for name, values in outputs.items()} == {"fc": (1, 5), "conv": (1, 4, 6, 6)}
    again = small.infer(InferRequest({"data": whole.astype(np.float64)}, outputs=["fc"])).outputs
    np.testing.assert_allclose(again["fc"], outputs["fc"], rtol=1e-5)


def test_several_inputs(repository: Repository) -> None:
    inputs = {"b": np.ones((2, 3)), "a": np.full((2, 3), 2.0)}
    assert repository.get("sum").infer(InferRequest(inputs)).outputs["sum"].tolist() == [[3] * 3] * 2


def encoded(width: int = 12) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, 9), (255, 0, 51)).save(file, "PNG")
    return file.getvalue()


def test_images_are_prepared(small: ServedModel) -> None:
    found = small.infer(InferRequest(images=[encoded(), encoded(20)])).outputs["prob"]
    pixels = np.broadcast_to(np.array([1, 0, 0.2], np.float32)[:, None, None], (2, 3, 8, 8))
    np.testing.assert_allclose(found, small.infer(InferRequest({"data": pixels})).outputs["prob"], rtol=1e-4)


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        (InferRequest({"dat": np.zeros((1, 3, 8, 8))}), ArgumentError, "there is no input 'dat'; did you mean 'data'"),
        (InferRequest({}), ArgumentError, "input 'data' is missing; give data"),
        (InferRequest({"data": np.zeros((1, 3, 8, 9))}), ShapeError, r"\(1, 3, 8, 9\); give \(items, 3, 8, 8\)"),
        (InferRequest({"data": np.zeros((3, 8, 8))}), ShapeError, "give .items, 3, 8, 8., one item or more"),
        (InferRequest({"data": np.zeros((0, 3, 8, 8))}), ShapeError, "one item or more"),
        (InferRequest({"data": np.full((1, 3, 8, 8), "x")}), ArgumentError, "is of type <U1; give numbers"),
        (InferRequest(images(1), outputs=["prop"]), ArgumentError, "there is no output 'prop'; did you mean 'prob'"),
        (InferRequest(images(1), images=[b"x"]), ArgumentError, "is given as numbers and as images"),
        (InferRequest(images=[]), ArgumentError, "there are no images"),
        (InferRequest(images=[encoded(), b"nonsense"]), CorruptFileError, "image 1: this is not an image"),
        (InferRequest(images(1), deadline=time.monotonic() - 1), DeadlineError, "had passed when the request came"),
    ],
)
def test_bad_requests_are_refused(
    small: ServedModel, request_: InferRequest, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        small.submit(request_)
    assert str(caught.value).startswith("model 'small' version 1")
    assert small.statistics.snapshot().failures == {caught.value.code: 1}  # type: ignore[attr-defined]
    assert len(small.infer(InferRequest(images(1))).outputs["prob"]) == 1


def test_inputs_of_different_lengths(repository: Repository) -> None:
    with pytest.raises(ShapeError, match="'a' has 2, 'b' has 1"):
        repository.get("sum").submit(InferRequest({"a": np.zeros((2, 3)), "b": np.zeros((1, 3))}))


def test_statistics(small: ServedModel) -> None:
    for count in (1, 2, 2):
        small.infer(InferRequest(images(count)))
    found = small.statistics.snapshot()
    assert (found.success.count, found.inference_count, found.execution_count, found.pending) == (3, 5, 3, 0)
    assert found.fail.count == 0
    assert found.success.ns >= found.compute_infer.ns > 0
    assert found.last_inference > 1e12
    assert sum(batch.compute_infer.count for batch in found.batches.values()) == 3


def test_an_end_in_peace(small: ServedModel) -> None:
    pending = [small.submit(InferRequest(images(2))) for _ in range(5)]
    assert small.drain(10)
    assert all(each.done() and not each.exception() for each in pending)
    with pytest.raises(NotReadyError, match="is being unloaded"):
        small.submit(InferRequest(images(1)))
