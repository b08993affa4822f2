"""The tool that compares engines, on the smallest net; no time is judged."""

from __future__ import annotations

import sys

import pytest

from tests.bench import engines


@pytest.mark.parametrize("more", [[], ["--train", "--clock", "cpu"]])
def test_engines_take_turns(monkeypatch, capsys, more):
    chosen = ["--engines", "reference", "portable"]
    monkeypatch.setattr(sys, "argv", ["engines.py", "lenet", "--batch", "2", "--rounds", "2", *chosen, *more])
    engines.main()
    head, *lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head[:3] == ["engine", "first", "ms"]
    assert [line[0] for line in lines] == ["reference", "portable"]
    assert lines[0][-2:] == ["1.00", "1.00"]
    assert all(float(number) > 0 for line in lines for number in line[1:])
