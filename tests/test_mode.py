"""Modes choose the engine for the whole process; what is not there is an error with words."""

from __future__ import annotations

import threading

import pytest

import caffe_sdk as caffe
from caffe_sdk import engine, mode
from caffe_sdk.errors import ArgumentError, DeviceError


def test_cpu_mode_is_what_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_ENGINE", "reference")
    mode.set_mode_cpu()
    assert engine.current().name == "reference"
    monkeypatch.delenv("CAFFE_ENGINE")
    assert engine.current().name == "cpu"


def test_the_mode_is_that_of_every_thread() -> None:
    seen: list[str] = []
    with engine.use("reference"):
        thread = threading.Thread(target=lambda: seen.append(engine.current().name))
        thread.start()
        thread.join()
    assert seen == ["reference"]


def test_without_a_gpu_engine_the_mode_stays() -> None:
    before = engine.current()
    with pytest.raises(DeviceError, match="no GPU engine; its engines are cpu, portable, reference; use set_mode_cpu"):
        caffe.set_mode_gpu()
    with pytest.raises(DeviceError, match="GPU 1 was asked for"):
        caffe.set_device(1)
    with pytest.raises(ArgumentError, match="device -1 is not a whole number"):
        caffe.set_device(-1)
    assert engine.current() is before


def test_an_unknown_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_ENGINE", "abacus")
    with pytest.raises(ArgumentError, match="'abacus' is not an engine; use one of cpu, fake, portable, reference"):
        engine.current()


def test_layer_types_are_listed() -> None:
    types = caffe.layer_type_list()
    assert types == sorted(types)
    assert {"Convolution", "Data", "SoftmaxWithLoss"} <= set(types)
