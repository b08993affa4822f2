"""The tool that measures waiting for data, on the smallest net; no time is judged."""

from __future__ import annotations

import re
import sys

import pytest

from caffe_sdk import engine
from tests.bench import data, stall


@pytest.mark.parametrize("kind", ["leveldb", "jpeg"])
def test_shares_of_a_step(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    monkeypatch.setattr(data, "SIDE", 32)
    monkeypatch.setattr(data, "CROP", 28)
    words = ["stall.py", "--net", "lenet", "--kind", kind, "--batch", "4", "--steps", "3", "--records", "8"]
    monkeypatch.setattr(sys, "argv", words)
    stall.main()
    found = re.search(r"data layer ([\d.]+) %, waits ([\d.]+) %", capsys.readouterr().out)
    assert found is not None
    layer, waits = map(float, found.groups())
    assert 0 < waits < layer < 100


def test_the_share_in_which_a_gpu_has_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the simulated device, which waits by the clock."""
    monkeypatch.setattr(data, "SIDE", 32)
    monkeypatch.setattr(data, "CROP", 28)
    words = ["stall.py", "--net", "lenet", "--batch", "2", "--steps", "2", "--records", "4"]
    monkeypatch.setattr(sys, "argv", words)
    with engine.use("simulated"):
        stall.main()
    found = re.search(r"data layer ([\d.]+) %, waits ([\d.]+) %, GPU waits ([\d.]+) %", capsys.readouterr().out)
    assert found is not None
    layer, waits, stalled = map(float, found.groups())
    assert waits <= stalled <= layer < 100
