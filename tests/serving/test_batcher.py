"""Requests computed together: nobody gets another's numbers, and nobody is hurt by another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.errors import (
    CaffeError,
    CancelledError,
    DataError,
    DeadlineError,
    InternalError,
    LimitError,
    NotReadyError,
    ShapeError,
)
from caffe_sdk.serving import InferRequest, Pending, ServedModel, config
from caffe_sdk.serving.deploy import deploy
from caffe_sdk.serving.folder import files_of
from caffe_sdk.serving.processors import Processors
from tests.serving.models import HOSTED, SMALL, Gate, Picky, expected, put, register
from tests.waiting import until

Make = Callable[..., ServedModel]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Models of a description and entries of a configuration."""
    register(monkeypatch)
    made: list[ServedModel] = []
    processors: list[Processors] = []

    def make(text: str = HOSTED, **entries: Any) -> ServedModel:
        settings = config.parse(entries, "config")
        deployed = deploy(files_of(put(tmp_path, "m", text=text)), settings.shapes)
        processors.append(Processors())
        made.append(ServedModel("m", "1", deployed, settings, processors[-1]))
        Gate.arrived.clear()
        Picky.ran.clear()
        return made[-1]

    yield make
    Gate.let_through.set()
    for model in made:
        model.close()
    for each in processors:
        each.close()


def of(*values: float, **more: Any) -> InferRequest:
    """A request of an item for each value."""
    return InferRequest({"data": np.repeat(np.array(values)[:, None], 2, axis=1)}, **more)


def got(pending: Pending) -> list[float]:
    return [float(row[0]) for row in pending.result(30).outputs["out"]]


def busy(model: ServedModel) -> Pending:
    """A request that is being computed, and waits at the closed gate."""
    Gate.let_through.clear()
    pending = model.submit(of(0))
    until(lambda: len(Gate.arrived) == 1)
    return pending


def test_what_waits_is_computed_together(make: Make) -> None:
    model = make()
    first = busy(model)
    others = [model.submit(of(*range(i, 2 * i))) for i in range(1, 5)]
    Gate.let_through.set()
    assert got(first) == [0]
    assert [got(each) for each in others] == [[2], [4, 6], [6, 8, 10], [8, 10, 12, 14]]
    assert others[0].result().timings.batch == 10
    assert [len(values) // 2 for values in Gate.arrived] == [1, 16]  # the batch of 10 was filled up
    assert Gate.arrived[1].reshape(16, 2)[10:].tolist() == [[1, 1]] * 6
    statistics = model.statistics.snapshot()
    assert {size: batch.compute_infer.count for size, batch in statistics.batches.items()} == {1: 1, 10: 1}


def test_company_comes_within_the_delay(make: Make) -> None:
    model = make(max_queue_delay_ms=20_000, max_batch_size=4)
    pending = [model.submit(of(i)) for i in range(3)]
    time.sleep(0.02)
    assert not any(each.done() for each in pending)
    pending.append(model.submit(of(3)))
    assert [got(each) for each in pending] == [[0], [2], [4], [6]]
    assert [len(values) for values in Gate.arrived] == [8]


def test_the_delay_ends(make: Make) -> None:
    model = make(max_queue_delay_ms=5)
    assert got(model.submit(of(1))) == [2]


def test_an_end_waits_for_no_company(make: Make) -> None:
    model = make(max_queue_delay_ms=60_000)
    pending = model.submit(of(1))
    assert model.drain(30)
    assert got(pending) == [2]


def test_the_urgent_come_first(make: Make) -> None:
    model = make(max_batch_size=1, priority_levels=3)
    first = busy(model)
    order: list[str] = []
    for number, priority in enumerate((3, 0, 2, 1, 1, 9)):
        pending = model.submit(of(number, priority=priority))
        pending.add_done_callback(lambda _, name=f"{number}:{priority}": order.append(name))  # type: ignore[misc]
    Gate.let_through.set()
    assert model.drain(30)
    assert got(first) == [0]
    assert order == ["3:1", "4:1", "2:2", "0:3", "1:0", "5:9"]


def test_large_requests_are_cut(make: Make) -> None:
    model = make(max_batch_size=4)
    pending = model.submit(of(*range(11)))
    assert got(pending) == [2 * i for i in range(11)]
    assert [len(values) // 2 for values in Gate.arrived] == [4, 4, 4]
    assert pending.result().timings.batch == 11


def test_no_neighbour_is_hurt(make: Make) -> None:
    model = make()
    busy(model)
    good, bad, worse, nan = (
        model.submit(of(1, 2)),
        model.submit(of(101)),
        model.submit(of(300)),
        model.submit(of(np.nan)),
    )
    Gate.let_through.set()
    assert got(good) == [2, 4]
    assert np.isnan(got(nan)).all()
    with pytest.raises(DataError, match="layer 'picky': a value above 100"):
        bad.result()
    with pytest.raises(InternalError, match="ZeroDivisionError: of the layer"):
        worse.result()
    assert got(model.submit(of(5))) == [10]
    assert model.statistics.snapshot().failures == {"data": 1, "internal": 1}


@pytest.mark.parametrize("end", ["cancel", "deadline"])
def test_what_nobody_waits_for_is_not_computed(make: Make, end: str) -> None:
    model = make(max_batch_size=2)
    running = busy(model)
    deadline = time.monotonic() + 0.05 if end == "deadline" else None
    waiting, staying = model.submit(of(1, deadline=deadline)), model.submit(of(2))
    kind: type[CaffeError] = DeadlineError if end == "deadline" else CancelledError
    if end == "cancel":
        assert waiting.cancel()
    else:
        time.sleep(0.06)
    Gate.let_through.set()
    assert (got(running), got(staying)) == ([0], [4])
    with pytest.raises(kind):
        waiting.result(30)
    assert [values[0] for values in Gate.arrived] == [0, 2]
    assert sum(model.statistics.snapshot().failures.values()) == 1


@pytest.mark.parametrize("end", ["cancel", "deadline"])
def test_a_run_ends_between_layers_once_nobody_waits(make: Make, end: str) -> None:
    model = make(default_timeout_ms=400 if end == "deadline" else 0)
    running = busy(model)
    if end == "cancel":
        running.cancel()
    else:
        time.sleep(0.41)
    Gate.let_through.set()
    with pytest.raises((CancelledError, DeadlineError)):
        running.result(30)
    until(lambda: model.statistics.snapshot().pending == 0)
    assert Picky.ran == []
    assert got(model.submit(of(7))) == [14]


def test_a_run_goes_on_for_those_who_wait(make: Make) -> None:
    model = make(max_queue_delay_ms=20_000, max_batch_size=2)
    Gate.let_through.clear()
    leaves, stays = model.submit(of(1)), model.submit(of(2))
    until(lambda: len(Gate.arrived) == 1)
    leaves.cancel()
    Gate.let_through.set()
    assert got(stays) == [4]


def test_deadlines_are_told_while_others_are_computed(make: Make) -> None:
    model = make(max_batch_size=1)
    busy(model)
    with pytest.raises(DeadlineError, match="the deadline passed before the result was there"):
        model.submit(of(1, deadline=time.monotonic() + 0.02)).result(30)


def test_limits(make: Make) -> None:
    model = make(max_queue_requests=2, max_queue_bytes=100)
    busy(model)
    waiting = model.submit(of(1))
    with pytest.raises(LimitError, match="1 requests of 8 bytes wait already; send it again later"):
        model.submit(of(*range(12)))
    also = model.submit(of(2))
    with pytest.raises(LimitError, match="2 requests of 16 bytes"):
        model.submit(of(3))
    also.cancel()
    later = model.submit(of(4))  # who was cancelled takes no room
    Gate.let_through.set()
    assert [got(each) for each in (waiting, later)] == [[2], [8]]
    assert model.statistics.snapshot().failures == {"limit": 2, "cancelled": 1}
    assert got(model.submit(of(*range(40)))) == [2 * i for i in range(40)]  # alone even a large one is taken


def test_a_hard_end(make: Make) -> None:
    model = make()
    running, waiting = busy(model), model.submit(of(1))
    closing = threading.Thread(target=model.close)
    closing.start()
    for pending in (running, waiting):
        with pytest.raises(NotReadyError, match="was unloaded"):
            pending.result(30)
    Gate.let_through.set()
    closing.join(30)
    assert not closing.is_alive()
    assert Picky.ran == []


def test_several_instances(make: Make, tmp_path: Path) -> None:
    model = make(SMALL, instances=2, max_batch_size=4)
    generator = np.random.default_rng(0)
    inputs = [generator.normal(size=(n, 3, 8, 8)).astype(np.float32) for n in generator.integers(1, 7, 60)]
    pending = [model.submit(InferRequest({"data": values})) for values in inputs]
    for values, each in zip(inputs, pending, strict=True):
        wanted = expected(tmp_path / "m" / "1", data=values)["prob"]
        np.testing.assert_allclose(each.result(30).outputs["prob"], wanted, rtol=1e-3)


POOLED = SMALL.replace(
    'layer { name: "fc"',
    """
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc\"""",
).replace('bottom: "conv" top: "fc"', 'bottom: "pool" top: "fc"')


def test_only_items_alike_share_a_batch(make: Make, tmp_path: Path) -> None:
    model = make(POOLED, max_queue_delay_ms=50, shapes={"data": [3, -1, -1]})
    assert model.inputs[0].shape == (-1, 3, -1, -1)
    assert model.outputs[0].shape == (-1, 5)
    generator = np.random.default_rng(0)
    inputs = [generator.normal(size=(2, 3, 8 + i % 3, 9)).astype(np.float32) for i in range(12)]
    pending = [model.submit(InferRequest({"data": values})) for values in inputs]
    for values, each in zip(inputs, pending, strict=True):
        wanted = expected(tmp_path / "m" / "1", data=values)["prob"]
        np.testing.assert_allclose(each.result(30).outputs["prob"], wanted, rtol=1e-3)
    assert model.statistics.snapshot().execution_count < 12
    with pytest.raises(ShapeError, match="kernel"):
        model.infer(InferRequest({"data": np.zeros((1, 3, 1, 9))}))
    assert len(model.infer(InferRequest({"data": inputs[0]})).outputs["prob"]) == 2


def test_shapes_that_need_too_much_memory(make: Make) -> None:
    model = make(POOLED, shapes={"data": [3, -1, -1]}, max_run_bytes=2_000_000, warm_up=False)
    with pytest.raises(LimitError, match=r"1 items take [\d,]+ bytes, and a batch may take 2,000,000"):
        model.infer(InferRequest({"data": np.zeros((1, 3, 500, 500))}))
    assert len(model.infer(InferRequest({"data": np.zeros((1, 3, 20, 20))})).outputs["prob"]) == 1


TIMED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 5 dim: 2 dim: 3 } } }
layer { name: "cont" type: "Input" top: "cont" input_param { shape { dim: 5 dim: 2 } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "y" recurrent_param { num_output: 4
        weight_filler { type: "uniform" min: -1 max: 1 } } }
"""


def test_steps_of_time_are_no_batch(make: Make) -> None:
    model = make(TIMED, max_queue_delay_ms=100)
    assert not model.batches
    inputs = {"x": np.ones((7, 2, 3)), "cont": np.ones((7, 2))}
    pending = [model.submit(InferRequest(inputs)) for _ in range(3)]
    results = [each.result(30).outputs["y"] for each in pending]
    assert results[0].shape == (7, 2, 4)
    assert not np.allclose(results[0][0], results[0][6])
    np.testing.assert_array_equal(results[0], results[2])
    assert model.statistics.snapshot().execution_count == 3
