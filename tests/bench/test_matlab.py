"""The tool that times calls from Octave; no time is judged."""

from __future__ import annotations

import re
import sys

import pytest

from tests.bench import matlab


def test_it_measures_and_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["matlab.py", "--rounds", "2"])
    matlab.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "ms" not in line] == ["pipe", "tcp"]
    names = [re.fullmatch(r"(.*?) +[\d.]+ ms \(least [\d.]+\)", line) for line in lines if "ms" in line]
    assert [name and name[1] for name in names] == 2 * [
        "bridge start",
        "scalar call",
        "blob.shape",
        "set_data 6 MB",
        "get_data 6 MB",
        "net.forward({6 MB}) -> 6 MB",
        "forward_prefilled",
    ]
