"""The log in glog's form, under pycaffe's names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

import caffe_sdk as caffe
from caffe_sdk import logs
from caffe_sdk.errors import ArgumentError


@pytest.fixture(autouse=True)
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The package's logger without handlers, as it is in a new process; afterwards as it was."""
    monkeypatch.delenv("GLOG_minloglevel", raising=False)
    found = logging.getLogger("caffe_sdk")
    kept = found.handlers, found.level, found.propagate
    found.handlers = []
    yield found
    found.handlers, found.level, found.propagate = kept


def test_a_line_says_where_it_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    caffe.log("100% done")
    assert re.fullmatch(r"I\d{4} [\d:.]+ +\d+ test_logs\.py:\d+\] 100% done\n", capsys.readouterr().err)


def test_levels_leave_out_what_is_below(capsys: pytest.CaptureFixture[str], logger: logging.Logger) -> None:
    caffe.init_log(1)
    caffe.log("information")
    logger.warning("a warning")
    caffe.init_log(0, False)
    logger.warning("another")
    logger.error("an error")
    caffe.init_log()
    caffe.log("more")
    assert re.findall(r"\] (.*)", capsys.readouterr().err) == ["a warning", "an error", "more"]
    assert sum(isinstance(handler, logs.StderrHandler) for handler in logger.handlers) == 1


def test_the_level_of_the_environment(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "2")
    caffe.log("information")
    assert capsys.readouterr().err == ""
    assert logs.logging.getLogger("caffe_sdk").level == logging.ERROR


def test_unknown_levels() -> None:
    with pytest.raises(ArgumentError, match="no level 4"):
        caffe.init_log(4)
