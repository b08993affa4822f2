"""Weights and biases that a normalization is part of."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.folding import Folding
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.work import fuse, single
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.twins import get, put, simulated, tensors, usual

SHAPES = {"w": (3, 2, 2), "b": (3,), "x": (1, 3), "d": (3,), "m": (3,), "v": (3,), "t": (1,), "s": (3,), "h": (3,)}
EPS = 1e-3


def given():
    t = tensors(SHAPES)
    put(t["v"], [1, 2, 3])
    put(t["t"], [2])
    return t


def norm(t, parts):
    r = Recorder()
    if "n" in parts:
        r.batch_norm_global(t["x"], t["x"], t["d"], t["m"], t["v"], t["t"], EPS)
    if "s" in parts:
        r.affine(t["x"], t["s"], t["h"], t["x"], 1)
    works = [single(call) for call in r.calls]
    return works[0] if len(works) == 1 else fuse("batch_norm_global", works)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("total", [2.0, 0.0])
@pytest.mark.parametrize("parts", ["n", "s", "ns"])
def test_what_they_are(parts, total, bias):
    t = given()
    put(t["t"], [total])
    folding, engine = Folding(t["w"], t["b"] if bias else None, norm(t, parts), ""), usual()
    folding.refresh(engine)
    factor, offset = np.ones(3), get(t["b"]) if bias else np.zeros(3)
    if "n" in parts:
        share = 1 / total if total else 0
        factor, offset = factor / np.sqrt(share * get(t["v"]) + EPS), offset - share * get(t["m"])
    if "s" in parts:
        factor = factor * get(t["s"])
    offset = factor * offset + (get(t["h"]) if "s" in parts else 0)
    np.testing.assert_allclose(get(folding.weight), get(t["w"]) * factor[:, None, None], rtol=1e-5)
    np.testing.assert_allclose(get(folding.bias), offset, rtol=1e-5, atol=1e-6)


def test_what_they_are_made_of():
    t = given()
    assert Folding(t["w"], None, norm(t, "n"), "").sources == {t[name].memory for name in "wmvt"}
    assert Folding(t["w"], t["b"], norm(t, "ns"), "").sources == {t[name].memory for name in "wbmvtsh"}


def test_they_are_made_once_and_where_that_fails_again():
    engine, t = simulated(), given()
    folding = Folding(t["w"], t["b"], norm(t, "ns"), "layer 'conv'")
    engine.device.limit = 8
    with pytest.raises(DeviceError, match=r"^layer 'conv': memory: "):
        folding.refresh(engine)
    engine.device.limit = 1 << 20
    for _ in range(2):
        folding.refresh(engine)
        assert engine.device.launches["fold"] == 1
    folding.before_change(t["w"].memory)
    folding.refresh(engine)
    assert engine.device.launches["fold"] == 2
