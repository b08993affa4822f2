"""The tool that times data, on a few records; no time is judged."""

from __future__ import annotations

import sys

import pytest

from tests.bench import data


def test_every_case_has_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(data, "SIDE", 64)
    monkeypatch.setattr(data, "CROP", 56)
    monkeypatch.setattr(data, "BATCH", 4)
    monkeypatch.setattr(sys, "argv", ["data.py", "--records", "8", "--rounds", "2"])
    data.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if "busy" in line]
    assert sum("read" in line for line in lines) == 2
    assert sum("layer" in line and "GB/s" in line for line in lines) == 5
    assert any("PIL.Image" in line and "images/s" in line for line in lines)
