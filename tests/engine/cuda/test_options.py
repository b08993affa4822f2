"""Every option, unless it is set, set, and set to nonsense."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from caffe_sdk.engine.cuda import options
from caffe_sdk.engine.cuda.formats import FLOAT16
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.errors import ArgumentError
from tests.engine.cuda.twins import simulated

GIVEN = {
    "CAFFE_TF32": ("tf32", "1", True),
    "CAFFE_CUDNN": ("cudnn", "0", Cudnn.NEVER),
    "CAFFE_CUDNN_SEARCH": ("cudnn_search", "20", 20),
    "CAFFE_DETERMINISTIC": ("deterministic", "0", False),
    "CAFFE_WORKSPACE_MB": ("workspace", "8", 8 << 20),
    "CAFFE_NCCL": ("nccl", __file__, __file__),
    "CAFFE_PINNED_MB": ("pinned", "4", 4 << 20),
    "CAFFE_PRECISION": ("precision", "float16", FLOAT16),
    "CAFFE_CHANNELS_LAST": ("channels_last", "0", False),
    "CAFFE_LOSS_SCALE": ("loss_scale", "1024", 1024),
}
NONSENSE = {
    "CAFFE_TF32": ("yes", "'yes' is neither 0 nor 1"),
    "CAFFE_CUDNN": ("9", "'9' is none of 0, 1, all, search"),
    "CAFFE_CUDNN_SEARCH": ("1.5", "'1.5' is not a whole number from 0"),
    "CAFFE_DETERMINISTIC": ("no", "'no' is neither 0 nor 1"),
    "CAFFE_CHANNELS_LAST": ("last", "'last' is neither 0 nor 1"),
    "CAFFE_LOSS_SCALE": ("much", "'much' is not a whole number from 0"),
    "CAFFE_PRECISION": ("half", "'half' is no precision; give one of float32, float16, bfloat16"),
    "CAFFE_WORKSPACE_MB": ("-1", "'-1' is not a whole number from 0; give one, such as 256"),
    "CAFFE_NCCL": ("/no/such.so", "'/no/such.so' is no file"),
    "CAFFE_PINNED_MB": ("3", "'3' is not a whole number from 4; give one, such as 64"),
}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", GIVEN)
def test_an_option_that_is_set(monkeypatch, name):
    field, said, meant = GIVEN[name]
    monkeypatch.setenv(name, "")
    assert getattr(Options(), field) != meant
    monkeypatch.setenv(name, said)
    assert getattr(Options(), field) == meant


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense(monkeypatch, name):
    said, words = NONSENSE[name]
    monkeypatch.setenv(name, said)
    with pytest.raises(ArgumentError, match=f"^{name}: {re.escape(words)}"):
        Options()


def test_all_are_documented_and_tested(root: Path):
    assert {field for field, _, _ in GIVEN.values()} == {field.name for field in dataclasses.fields(Options)}
    assert GIVEN.keys() == NONSENSE.keys() == set(options.VARIABLES)
    table = (root / "docs" / "gpu.md").read_text(encoding="utf-8")
    assert [name for name in GIVEN if f"| `{name}` |" not in table] == []


def test_what_is_given(monkeypatch):
    assert options.given() == {}
    monkeypatch.setenv("CAFFE_TF32", "1")
    monkeypatch.setenv("CAFFE_CUDNN", "")
    assert options.given() == {"CAFFE_TF32": "1"}


def test_the_engine_takes_what_is_said(monkeypatch):
    monkeypatch.setenv("CAFFE_WORKSPACE_MB", "2")
    assert simulated().workspace == 2 << 20
