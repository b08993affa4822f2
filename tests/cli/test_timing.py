"""Times of a training's parts in the log."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from caffe_sdk.cli.timing import Timing
from tests.solver.models import SGD, linear


def test_lines_for_what_is_displayed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with linear(tmp_path, SGD + "display: 2") as solver:
        timing = Timing(solver)
        for event in solver.events(3):
            timing(event)
        names = [layer.name for layer in solver.net.layers]
    lines = [record.getMessage() for record in caplog.records if record.name == "caffe_sdk.cli.timing"]
    assert len(lines) == 2 * (2 * len(names) + 2)
    found = re.findall(r"^(forw|back) +(\d+) +(\w+): (\d+\.\d\d) ms$", "\n".join(lines), re.MULTILINE)
    assert [(direction, int(i), name) for direction, i, name, _ in found] == [
        (direction, i, name) for direction in ("forw", "back") for i, name in enumerate(names)
    ] * 2
    assert [line.split(":")[0] for line in lines[-2:]] == ["solver total", "allreduce"]
    assert all(float(line.split()[-2]) >= 0 for line in lines)
    total = float(lines[-2].split()[-2])
    assert sum(float(milliseconds) for *_, milliseconds in found[-2 * len(names) :]) < total + 1
