"""Recurrence over more steps than the table of cases has."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.cuda.twins import agree

T, N, D = 5, 3, 4
STATES = dict.fromkeys(("h0", "c0", "hl", "cl"), (N, D))
CONT = np.random.default_rng(3).integers(0, 2, (T, N))


@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize("static", [False, True])
def test_sequences(static, steps):
    every = dict.fromkeys(("c", "h", "dh"), (steps, N, D))
    wide = dict.fromkeys(("x", "gates", "dx"), (steps, N, 4 * D))
    plain = dict.fromkeys(("px", "ph", "pdx"), (steps, N, D))
    rest = {"cont": (steps, N), "w": (4 * D, D), "pw": (D, D), "s": (N, 4 * D), "ps": (N, D), "sum": (N, D)}

    def calls(engine, t):
        fixed, plain_fixed = (t["s"], t["ps"]) if static else (None, None)
        states = t["h0"], t["c0"], t["gates"], t["c"], t["h"], t["hl"], t["cl"]
        engine.lstm(t["x"], fixed, t["cont"], t["w"], *states)
        engine.lstm_grad(t["cont"], t["w"], t["c0"], t["gates"], t["c"], t["dh"], t["dx"])
        engine.recurrent_grad_weight(t["dx"], t["cont"], t["h0"], t["h"], t["w"])
        engine.rnn(t["px"], plain_fixed, t["cont"], t["pw"], t["h0"], t["ph"], t["hl"])
        engine.rnn_grad(t["cont"], t["pw"], t["ph"], t["dh"], t["pdx"])
        engine.recurrent_grad_weight(t["pdx"], t["cont"], t["h0"], t["ph"], t["pw"])
        engine.sum_steps(t["pdx"], t["sum"])

    agree({**STATES, **every, **wide, **plain, **rest}, calls, given={"cont": CONT[:steps]})


def test_the_last_state_may_be_the_first_of_the_next():
    def calls(engine, t):
        for _ in range(3):
            engine.lstm(t["x"], None, t["cont"], t["w"], t["h0"], t["c0"], t["g"], t["c"], t["h"], t["h0"], t["c0"])

    names = {"x": (T, N, 4 * D), "g": (T, N, 4 * D), "c": (T, N, D), "h": (T, N, D), "cont": (T, N), "w": (4 * D, D)}
    agree({**STATES, **names}, calls, given={"cont": CONT})
