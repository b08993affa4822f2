"""Which engine computes."""

from __future__ import annotations

import threading

import pytest

from caffe_sdk import engine
from caffe_sdk.engine import Engine, choose, current, names, select, use
from caffe_sdk.engine.cuda import libraries
from caffe_sdk.engine.per_thread import PerThread
from caffe_sdk.errors import ArgumentError, DeviceError


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.selection, "_chosen", PerThread(None))
    monkeypatch.setenv("CAFFE_ENGINE", "reference")


def test_environment_names_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current() is select("reference")
    assert current().name == "reference"
    monkeypatch.setenv("CAFFE_ENGINE", "fake")
    assert current().name == "fake"
    monkeypatch.setenv("CAFFE_ENGINE", "abacus")
    with pytest.raises(ArgumentError, match=r"^CAFFE_ENGINE: 'abacus' is not an engine; use one of cpu, "):
        current()


def test_choice_goes_before_the_environment() -> None:
    choose("fake")
    assert current().name == "fake"
    choose(None)
    assert current().name == "reference"


def test_choice_for_a_block() -> None:
    with use("fake") as chosen:
        assert current() is chosen
        with use("reference"):
            assert current().name == "reference"
        assert current() is chosen
        with pytest.raises(ZeroDivisionError), use("reference"):
            raise ZeroDivisionError
        assert current() is chosen
    assert current().name == "reference"


def test_engines_are_made_once() -> None:
    assert select("reference") is select("reference")
    assert isinstance(select("fake"), Engine)
    assert set(names()) >= {"cpu", "portable", "reference"}


def test_a_precision_is_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.selection, "_precision", PerThread(""))
    monkeypatch.setenv("CAFFE_ENGINE", "simulated")
    assert select("simulated:1:float16").name == "simulated:1:float16"
    engine.choose_precision("bfloat16")
    assert engine.chosen() == "simulated:bfloat16"
    engine.choose_gpu(2)
    assert engine.chosen() == "simulated:2:bfloat16"
    engine.choose_precision("float32")
    assert engine.chosen() == "simulated:2:float32"
    choose("reference")
    engine.choose_precision("float16")
    assert engine.chosen() == "reference"
    for wrong, words in (
        ("cpu:float16", "'cpu:float16' is not an engine"),
        ("simulated:half", "'half' is no precision"),
    ):
        with pytest.raises(ArgumentError, match=f"CAFFE_ENGINE: {words}"):
            select(wrong)
    with pytest.raises(ArgumentError, match="set_precision: 'half' is no precision"):
        engine.choose_precision("half")


def test_engines_are_made_once_by_threads_that_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.selection, "_made", {})
    begin, found = threading.Barrier(8), set()

    def ask() -> None:
        begin.wait()
        found.add(id(select("simulated:1")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    assert select("simulated:1").name == "simulated:1"
    for wrong in ("cpu:1", "simulated:", "simulated:1:float16:2"):
        with pytest.raises(ArgumentError, match=f"'{wrong}' is not an engine"):
            select(wrong)


def test_a_driver_is_looked_for_and_not_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    def there() -> object:
        return object()

    def missing() -> None:
        raise DeviceError("GPU", "there is no NVIDIA driver here", "install it")

    for found, said in ((there, True), (missing, False)):
        monkeypatch.setattr(libraries, "driver", found)
        assert engine.has_driver() is said
    monkeypatch.setenv("CAFFE_ENGINE", "simulated")
    assert engine.has_driver()
