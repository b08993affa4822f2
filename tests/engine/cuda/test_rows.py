"""Rows by number: what is no row is told, by name."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.errors import DataError
from tests.engine.cuda.twins import agree, get, put, simulated, tensors

NAMES = {"x": (6, 70), "i": (9,), "b": (70,), "y": (9, 70), "dx": (6, 70)}
INDEX = [0, 5, 5, 2, 1, 0, 5, 3, 2.7]


def test_there_and_back():
    def calls(engine, t):
        engine.take_rows(t["x"], t["i"], t["y"])
        engine.take_rows_grad(t["y"], t["i"], t["dx"])
        engine.embed(t["i"], t["x"], t["b"], t["y"])
        for _ in range(2):
            engine.embed_grad(t["i"], t["y"], t["dx"])

    agree(NAMES, calls, given={"i": INDEX})


@pytest.mark.parametrize("wrong", [6, -1, np.nan])
def test_what_is_no_row(wrong):
    calls = [
        lambda e, t: e.take_rows(t["x"], t["i"], t["y"]),
        lambda e, t: e.take_rows_grad(t["y"], t["i"], t["dx"]),
        lambda e, t: e.embed_grad(t["i"], t["y"], t["dx"]),
    ]
    for call in calls:
        engine, t = simulated(), tensors(NAMES)
        put(t["i"], [*INDEX[:-1], wrong])
        call(engine, t)
        with pytest.raises(DataError, match=f"index: {wrong:g} is not one of 6 rows; give 0 to 5"):
            get(t["x"]), get(t["dx"]), get(t["y"])
