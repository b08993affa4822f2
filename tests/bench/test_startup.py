"""The tool that measures what comes before speed; no time is judged."""

from __future__ import annotations

import sys

import pytest

from tests.bench import startup


def test_it_measures_and_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["startup.py", "--rounds", "1", "--net", "lenet"])
    startup.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("import caffe_sdk")
    assert lines[0].endswith("loading []")
    assert lines[4].split()[-1].endswith("%)")
