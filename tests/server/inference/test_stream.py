from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest

from caffe_sdk.errors import HandleError
from caffe_sdk.server.call import Call
from caffe_sdk.server.inference import pb
from caffe_sdk.server.inference.stream import MOST_UNDER_WAY, Stream
from caffe_sdk.server.inference.wire import Reply, Request
from caffe_sdk.serving import InferResult, Pending, Repository


class FakeCall:
    """A call of a client that goes away when the test says so."""

    def __init__(self) -> None:
        self.end: Callable[[], None] = lambda: None

    def when_over(self, action: Callable[[], None]) -> None:
        self.end = action

    def remaining(self) -> None:
        return None


class FakeModel:
    """A repository of one model, which answers when the test says so."""

    name, version, inputs, outputs, labels = "m", "1", (), (), None

    def __init__(self) -> None:
        self.taken: list[Pending] = []
        self._came = threading.Condition()

    def get(self, name: str, _version: str) -> FakeModel:
        if name != self.name:
            raise HandleError(f"model '{name}'", "there is none of this name")
        return self

    def submit(self, _request: Any) -> Pending:
        with self._came:
            self.taken.append(Pending("model 'm'"))
            self._came.notify_all()
        return self.taken[-1]

    def wait_for(self, count: int) -> None:
        with self._came:
            assert self._came.wait_for(lambda: len(self.taken) >= count, 30)

    def answer(self, i: int) -> None:
        self.taken[i].succeed(InferResult("m", "1", {"y": np.full(1, i, np.float32)}))


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


def asked_for(model_name: str, id: str = "") -> Request:
    return Request(pb.ModelInferRequest(model_name=model_name, id=id))


def replies(model: FakeModel, requests: Iterator[Request], call: FakeCall) -> Iterator[Reply]:
    return Stream(cast(Repository, model), requests, cast(Call, call)).replies()


def test_answers_come_in_the_order_of_the_requests(model: FakeModel) -> None:
    asked = ["m", "m", "no", "m"]
    stream = replies(model, (asked_for(model_name=name, id=str(i)) for i, name in enumerate(asked)), FakeCall())
    done = threading.Thread(target=lambda: [model.wait_for(3), *(model.answer(i) for i in (2, 1, 0))])
    done.start()
    answers = list(stream)
    done.join()
    assert [answer.message.id for answer in answers] == ["0", "1", "2", "3"]
    assert [answer.error for answer in answers] == ["", "", "model 'no': there is none of this name", ""]
    values = [np.frombuffer(raw, "<f4")[0] for each in answers for raw in each.raw]
    assert values == [0, 1, 2]


def test_no_more_requests_are_taken_than_there_is_room_for(model: FakeModel) -> None:
    read = []

    def requests() -> Iterator[Any]:
        for i in range(MOST_UNDER_WAY * 2):
            read.append(i)
            yield asked_for(model_name="m")

    call = FakeCall()
    stream = replies(model, requests(), call)
    threading.Thread(target=lambda: (model.wait_for(MOST_UNDER_WAY), model.answer(0))).start()
    next(stream)
    assert len(model.taken) == MOST_UNDER_WAY
    assert len(read) <= MOST_UNDER_WAY + 1
    call.end()
    assert all(pending.done() for pending in model.taken)


def test_a_client_that_goes_away_frees_whoever_waits(model: FakeModel) -> None:
    gone = threading.Event()

    def requests() -> Iterator[Any]:
        yield asked_for(model_name="m")
        gone.wait(30)
        raise RuntimeError("the client went away")

    call = FakeCall()
    stream = replies(model, requests(), call)
    answers: list[Any] = []
    waits = threading.Thread(target=lambda: answers.extend(stream))
    waits.start()
    model.wait_for(1)
    call.end()
    gone.set()
    waits.join(30)
    assert not waits.is_alive()
    assert "was cancelled" in answers[0].error


def test_a_fault_of_ours_is_told_and_logged(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_request: Any) -> Pending:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr(model, "submit", broken)
    (answer,) = replies(model, iter([asked_for(model_name="m")]), FakeCall())
    assert answer.error.startswith("server: ZeroDivisionError: so it goes")
    assert "failed in a way it should not" in caplog.text
