"""Recurrence: whole sequences against single steps, and steps against the formulas."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import HOST, Array, Tensor, new_tensor

ENGINE = ReferenceEngine()
T, N, D = 4, 3, 2


def tensor(values: Array) -> Tensor:
    made = new_tensor(np.shape(values), np.float64)
    made.memory.write(HOST)[...] = np.ravel(values)
    return made


def room(*shape: int) -> Tensor:
    return new_tensor(shape, np.float64)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def test_unit_is_the_formula(rng: np.random.Generator) -> None:
    before, x, cont = rng.normal(size=(N, D)), rng.normal(size=(N, 4 * D)), np.array([1.0, 0.0, 1.0])
    c, h = room(N, D), room(N, D)
    ENGINE.lstm_unit(tensor(before), tensor(x), tensor(cont), c, h)
    i, f, o, g = (x[:, k * D : (k + 1) * D] for k in range(4))
    expected = cont[:, None] * sigmoid(f) * before + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(ENGINE.read(c), expected)
    np.testing.assert_allclose(ENGINE.read(h), sigmoid(o) * np.tanh(expected))


def test_gates_do_not_overflow() -> None:
    x = np.repeat([[1e4], [-1e4], [1e4]], 4, axis=1)
    c, h = room(3, 1), room(3, 1)
    ENGINE.lstm_unit(tensor(np.ones((3, 1))), tensor(x), tensor(np.ones(3)), c, h)
    np.testing.assert_allclose(ENGINE.read(c)[:, 0], [2, 0, 2])


def test_a_sequence_is_its_steps(rng: np.random.Generator) -> None:
    x, static, weight = rng.normal(size=(T, N, 4 * D)), rng.normal(size=(N, 4 * D)), rng.normal(size=(4 * D, D))
    cont = rng.integers(0, 2, (T, N)).astype(float)
    h0, c0 = rng.normal(size=(2, N, D))
    gates, c, h, h_last, c_last = room(T, N, 4 * D), room(T, N, D), room(T, N, D), room(N, D), room(N, D)
    ENGINE.lstm(
        tensor(x), tensor(static), tensor(cont), tensor(weight), tensor(h0), tensor(c0), gates, c, h, h_last, c_last
    )
    hidden, state, one_c, one_h = h0, c0, room(N, D), room(N, D)
    for t in range(T):
        inputs = x[t] + static + (cont[t, :, None] * hidden) @ weight.T
        ENGINE.lstm_unit(tensor(state), tensor(inputs), tensor(cont[t]), one_c, one_h)
        state, hidden = ENGINE.read(one_c).copy(), ENGINE.read(one_h).copy()
        np.testing.assert_allclose(ENGINE.read(c)[t], state)
        np.testing.assert_allclose(ENGINE.read(h)[t], hidden)
    np.testing.assert_allclose(ENGINE.read(h_last), hidden)
    np.testing.assert_allclose(ENGINE.read(c_last), state)


def test_no_steps_keep_the_state(rng: np.random.Generator) -> None:
    h0, h_last = tensor(rng.normal(size=(N, D))), room(N, D)
    ENGINE.rnn(room(0, N, D), None, room(0, N), room(D, D), h0, room(0, N, D), h_last)
    np.testing.assert_array_equal(ENGINE.read(h_last), ENGINE.read(h0))


def test_sum_of_steps() -> None:
    y = room(2)
    ENGINE.sum_steps(tensor(np.arange(6.0).reshape(3, 2)), y)
    np.testing.assert_array_equal(ENGINE.read(y), [6, 9])
