"""The tool that measures what the interface costs; no time is judged."""

from __future__ import annotations

import sys

import pytest

from tests.bench import overhead


def test_it_measures_and_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["overhead.py", "--rounds", "3"])
    overhead.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["engine", "net.forward()", "net.forward(data=x)"]
    assert all(any(line.startswith(name) for line in lines) for name in overhead.AIMS)
