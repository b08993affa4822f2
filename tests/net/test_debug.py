"""``debug_info`` logs what Caffe logs, blob by blob."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.net import Net, debug
from tests.net.models import CLASSIFIER, describe


def run(caplog: pytest.LogCaptureFixture) -> tuple[Net, list[str]]:
    net = Net(describe("debug_info: true " + CLASSIFIER), caffe.TRAIN)
    net.blobs["data"].data[...] = np.arange(256).reshape(4, 1, 8, 8) / 256
    with caplog.at_level(logging.INFO, "caffe_sdk"):
        net.forward_backward()
    return net, [record.getMessage() for record in caplog.records if record.name == debug.log.name]


def test_every_top_and_parameter(caplog: pytest.LogCaptureFixture) -> None:
    net, lines = run(caplog)
    told = {name: float(value) for name, value in (line.strip().rsplit(": ", 1) for line in lines[:-1])}
    wanted = {
        "[Forward] Layer data, top blob data data": net.blobs["data"].data,
        "[Forward] Layer conv, param blob 0 data": net.params["conv"][0].data,
        "[Backward] Layer fc, param blob 1 diff": net.params["fc"][1].diff,
        "[Backward] Layer loss, bottom blob fc diff": net.blobs["fc"].diff,
    }
    for name, values in wanted.items():
        assert told[name] == pytest.approx(np.abs(values).mean(), rel=1e-5), name
    assert lines[0].startswith("    [Forward] Layer data, top blob data data: ")
    assert not any("bottom blob data" in line or "bottom blob label" in line for line in lines)


def test_norms_of_all_parameters_come_last(caplog: pytest.LogCaptureFixture) -> None:
    net, lines = run(caplog)
    found = re.fullmatch(
        r"    \[Backward\] All net params \(data, diff\): L1 norm = \((.+), (.+)\); L2 norm = \((.+), (.+)\)", lines[-1]
    )
    assert found is not None
    diffs = np.concatenate([p.blob.diff.ravel() for p in net.learnable])
    assert float(found[2]) == pytest.approx(np.abs(diffs).sum(), rel=1e-4)
    assert float(found[4]) == pytest.approx(np.sqrt(np.square(diffs).sum()), rel=1e-4)


def test_without_it_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    net = Net(describe(), caffe.TRAIN)
    with caplog.at_level(logging.INFO, "caffe_sdk"):
        net.forward_backward()
    assert not [record for record in caplog.records if record.name == debug.log.name]
