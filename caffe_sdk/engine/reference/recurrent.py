"""Recurrence over time: an LSTM step, and whole sequences of LSTM and of plain recurrent steps.

Shapes: T steps of N sequences with D outputs. What the inputs contribute, x, is (T, N, G) with G = 4 D for the four
gates i, f, o, g in this order, or D for plain steps; static (N, G) is added to every step or is None; weight (G, D);
cont (T, N) is 0 where a sequence begins, which cuts it off from what was before, else 1; states h0 and c0 before the
first step and h_last and c_last after the last are (N, D), those of all steps, h and c, (T, N, D).
"""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Array, Tensor


class Recurrent(EngineBase):
    """An LSTM step is (Hochreiter and Schmidhuber, 1997, with forget gates and without peepholes):

    i, f, o = sigmoid of three quarters of the pre-activations, g = tanh of the last;
    c = cont f c_before + i g;  h = o tanh(c).
    """

    @operation(writes="c h")
    def lstm_unit(self, c_before: Tensor, x: Tensor, cont: Tensor, c: Tensor, h: Tensor) -> None:
        """One step from pre-activations x (N, 4 D), cont (N,)."""
        state, hidden = _step(_activated(self.read(x)), self.read(c_before), self.read(cont)[:, None])
        self.write(c)[...] = state
        self.write(h)[...] = hidden

    @operation(writes="dc_before dx")
    def lstm_unit_grad(
        self,
        c_before: Tensor,
        x: Tensor,
        cont: Tensor,
        c: Tensor,
        dc: Tensor,
        dh: Tensor,
        dc_before: Tensor | None,
        dx: Tensor | None,
    ) -> None:
        """The gradient of `lstm_unit` for the gradients dc and dh of its results."""
        gates, on = _activated(self.read(x)), self.read(cont)[:, None]
        before, gradient = _step_grad(gates, self.read(c_before), self.read(c), on, self.read(dc), self.read(dh))
        if dc_before is not None:
            self.write(dc_before)[...] = before
        if dx is not None:
            self.write(dx)[...] = gradient

    @operation(writes="gates c h c_last h_last")
    def lstm(
        self,
        x: Tensor,
        static: Tensor | None,
        cont: Tensor,
        weight: Tensor,
        h0: Tensor,
        c0: Tensor,
        gates: Tensor,
        c: Tensor,
        h: Tensor,
        h_last: Tensor,
        c_last: Tensor,
    ) -> None:
        """T steps whose pre-activations are x[t] + static + cont[t] h[t - 1] weight^T; gates (T, N, 4 D) are kept."""
        inputs, on, matrix = _steps(self, x, static), self.read(cont)[..., None], self.read(weight)
        hidden, state = self.read(h0), self.read(c0)
        every_gates, every_state, every_hidden = self.write(gates), self.write(c), self.write(h)
        for t in range(len(inputs)):
            every_gates[t] = _activated(inputs[t] + (on[t] * hidden) @ matrix.T)
            state, hidden = _step(every_gates[t], state, on[t])
            every_state[t], every_hidden[t] = state, hidden
        self.write(h_last)[...] = hidden
        self.write(c_last)[...] = state

    @operation(writes="dx")
    def lstm_grad(
        self, cont: Tensor, weight: Tensor, c0: Tensor, gates: Tensor, c: Tensor, dh: Tensor, dx: Tensor
    ) -> None:
        """dx = the gradient of the pre-activations for the gradient dh of h, back through all steps."""
        on, matrix, kept, state = (self.read(t) for t in (cont, weight, gates, c))
        first, gradient = self.read(c0), self.read(dh)
        result = np.empty(dx.shape, gradient.dtype)
        from_hidden: Array = np.zeros(first.shape, gradient.dtype)
        from_state: Array = from_hidden
        for t in reversed(range(len(result))):
            before = state[t - 1] if t else first
            from_state, result[t] = _step_grad(
                kept[t], before, state[t], on[t, :, None], from_state, gradient[t] + from_hidden
            )
            from_hidden = on[t, :, None] * (result[t] @ matrix)
        self.write(dx)[...] = result

    @operation(writes="h h_last")
    def rnn(
        self, x: Tensor, static: Tensor | None, cont: Tensor, weight: Tensor, h0: Tensor, h: Tensor, h_last: Tensor
    ) -> None:
        """h[t] = tanh(x[t] + static + cont[t] h[t - 1] weight^T)."""
        inputs, on, matrix = _steps(self, x, static), self.read(cont)[..., None], self.read(weight)
        hidden, every = self.read(h0), self.write(h)
        for t in range(len(inputs)):
            hidden = every[t] = np.tanh(inputs[t] + (on[t] * hidden) @ matrix.T)
        self.write(h_last)[...] = hidden

    @operation(writes="dx")
    def rnn_grad(self, cont: Tensor, weight: Tensor, h: Tensor, dh: Tensor, dx: Tensor) -> None:
        """dx = the gradient of the pre-activations for the gradient dh of h, back through all steps."""
        on, matrix, hidden, gradient = (self.read(t) for t in (cont, weight, h, dh))
        result = np.empty(dx.shape, gradient.dtype)
        later: Array = np.zeros(dx.shape[1:], gradient.dtype)
        for t in reversed(range(len(result))):
            result[t] = (gradient[t] + later) * (1 - hidden[t] * hidden[t])
            later = on[t, :, None] * (result[t] @ matrix)
        self.write(dx)[...] = result

    @operation(updates="dweight")
    def recurrent_grad_weight(self, dx: Tensor, cont: Tensor, h0: Tensor, h: Tensor, dweight: Tensor) -> None:
        """dweight += the sum over t of dx[t]^T cont[t] h[t - 1]."""
        gradient = self.read(dx)
        before = np.concatenate([self.read(h0)[None], self.read(h)])[: len(gradient)]
        before *= self.read(cont)[..., None]
        count, outputs = dweight.shape
        self.update(dweight)[...] += gradient.reshape(-1, count).T @ before.reshape(-1, outputs)

    @operation(writes="y")
    def sum_steps(self, x: Tensor, y: Tensor) -> None:
        """y = the sum over t of x[t]."""
        total = self.read(x).sum(axis=0)
        self.write(y)[...] = total


def _steps(engine: EngineBase, x: Tensor, static: Tensor | None) -> Array:
    """What inputs contribute to every step."""
    return engine.read(x) if static is None else engine.read(x) + engine.read(static)


def _activated(x: Array) -> Array:
    """The gates (N, 4 D) of pre-activations. The sigmoid is written with tanh, which overflows nowhere."""
    gates = np.empty_like(x)
    candidates = x.shape[-1] // 4 * 3
    gates[:, :candidates] = 0.5 + 0.5 * np.tanh(0.5 * x[:, :candidates])
    gates[:, candidates:] = np.tanh(x[:, candidates:])
    return gates


def _step(gates: Array, before: Array, on: Array) -> tuple[Array, Array]:
    """c and h after a step; ``on`` is cont (N, 1)."""
    i, f, o, g = np.split(gates, 4, axis=1)
    state = on * f * before + i * g
    return state, o * np.tanh(state)


def _step_grad(gates: Array, before: Array, state: Array, on: Array, dc: Array, dh: Array) -> tuple[Array, Array]:
    """The gradients of the c before the step and of the pre-activations."""
    i, f, o, g = np.split(gates, 4, axis=1)
    output = np.tanh(state)
    inner = dc + dh * o * (1 - output * output)
    parts = [
        inner * g * i * (1 - i),
        inner * before * on * f * (1 - f),
        dh * output * o * (1 - o),
        inner * i * (1 - g * g),
    ]
    return inner * on * f, np.concatenate(parts, axis=1)
