"""Which algorithms may be used: those that round no more and add no other way than asked, in the room there is."""

from __future__ import annotations

import ctypes

import pytest

from caffe_sdk.engine import user_cache
from caffe_sdk.engine.cuda.dnn.choices import Choice, Kept, Performance, Rules
from caffe_sdk.engine.cuda.dnn.descriptors import Math
from caffe_sdk.engine.cuda.dnn.shapes import DataType

CONVERTED = 2  # CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION


def results(*rows):
    """Of cuDNN: algorithm, status, memory, determinism, math."""
    return [Performance(a, status, 1.0, memory, orderly, math) for a, status, memory, orderly, math in rows]


def test_the_structure_is_laid_out_as_in_c():
    assert ctypes.sizeof(Performance) == 48
    places = (Performance.memory, Performance.determinism, Performance.math, Performance.reserved)
    assert [place.offset for place in places] == [16, 24, 28, 32]


def test_what_breaks_a_rule_is_left_out():
    found = results(
        (7, 0, 101, 1, 3), (6, 3000, 0, 1, 3), (5, 0, 0, 0, 3), (1, 0, 100, 1, 1), (1, 0, 100, 1, 0), (0, 0, 0, 1, 3)
    )
    rules = Rules(tf32=False, deterministic=True, workspace=100)
    assert rules.allowed(found, DataType.FLOAT) == [Choice(1, Math.FMA), Choice(0, Math.FMA)]
    rules = Rules(tf32=True, deterministic=False, workspace=101)
    assert [choice.algorithm for choice in rules.allowed(found, DataType.FLOAT)] == [7, 5, 1, 1, 0]


@pytest.mark.parametrize(
    ("data_type", "tf32", "asked", "meant"),
    [
        (DataType.FLOAT, False, Math.FMA, {Math.DEFAULT: Math.FMA, Math.FMA: Math.FMA}),
        (DataType.FLOAT, True, Math.DEFAULT, {math: math for math in Math}),
        (DataType.HALF, False, Math.TENSOR_OP, {math: math for math in Math}),
        (DataType.BFLOAT16, True, Math.TENSOR_OP, {math: math for math in Math}),
    ],
)
def test_how_products_are_made(data_type, tf32, asked, meant):
    rules = Rules(tf32, deterministic=True, workspace=0)
    assert rules.asked(data_type) is asked
    for said in (*Math, CONVERTED):
        assert rules.math(data_type, said) is meant.get(said)


def test_choices_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(user_cache, "folder", lambda name: tmp_path / name)
    kept, other = Kept.of("gpu", (1, 2)), Kept.of("gpu", (1, 3))
    choices = [Choice(1, Math.FMA), Choice(0, Math.DEFAULT)]
    assert kept.read() == []
    kept.write(choices)
    assert kept.read() == choices
    assert kept.path.parent.name == "cudnn"
    assert other.read() == []
    for nonsense in (b"", b"{", b"[1]", b"[[1]]", b'[["a", 3]]', b"[[1, 77]]", b"{}", b"\xff"):
        kept.path.write_bytes(nonsense)
        assert kept.read() == []
