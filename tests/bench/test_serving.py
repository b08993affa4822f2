"""The tool that puts servers under load; no time is judged."""

from __future__ import annotations

import re

import pytest

from tests.bench import serving


def test_batches_against_one_by_one() -> None:
    lines = serving.batching("lenet", clients=4, seconds=0.1, rounds=1, delay_ms=2, largest=4)
    assert [line.split()[0] for line in lines] == ["one", "in", "gain", "p99", "batches"]


def test_over_grpc() -> None:
    lines = serving.batching("lenet", clients=2, seconds=0.2, rounds=1, delay_ms=1, largest=2, grpc=True)
    assert re.match(r"gain +\d+\.\d\d of medians", lines[2])


def test_overhead() -> None:
    assert serving.overhead("lenet", rounds=3)[-1] == "results   are the same"


def test_a_soak_finds_nothing_wrong() -> None:
    outcomes, memory, end = serving.soak("lenet", requests=2000, clients=8)
    assert "WRONG" not in outcomes
    for word in ("'right'", "cancelled", "oversized, right", "refused: shape"):
        assert word in outcomes
    assert memory.startswith("memory")
    assert end == "end       alive, 0 pending"


def test_a_soak_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PARTS", 1)
    outcomes, _, end = serving.soak("lenet", requests=1000, clients=4, grpc=True)
    assert "WRONG" not in outcomes
    assert "refused: StatusCode.INVALID_ARGUMENT" in outcomes
    assert end == "end       alive, 0 pending"


def test_contexts() -> None:
    lines = serving.contexts("lenet", clients=4, seconds=0.1, rounds=1)
    assert [line[:13] for line in lines] == ["1 at a time  ", "2 at a time  ", "gain of two  "]


def test_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["serving.py", "overhead", "--net", "lenet", "--rounds", "1"])
    serving.main()
    assert len(capsys.readouterr().out.splitlines()) == 4
