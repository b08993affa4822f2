"""Recurrence over time: a matrix product and a launch for every step."""

from __future__ import annotations

from caffe_sdk.engine.cuda.base import FLOAT, CudaBase
from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.reference.recurrent import Recurrent
from caffe_sdk.memory import Tensor


class CudaRecurrent(CudaBase, Recurrent):
    """Shapes and formulas are those of the reference."""

    def lstm_unit(self, c_before: Tensor, x: Tensor, cont: Tensor, c: Tensor, h: Tensor) -> None:
        """One step from pre-activations x (N, 4 D), cont (N,)."""
        before, values, on = map(self.source, (c_before, x, cont))
        rest = 0, self.target(c), self.target(h), c.shape[-1]
        self.launch("lstm_step", c.count, values, 0, 0, before, on, *rest)

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
        before, values, on, state, from_state, from_hidden = map(self.source, (c_before, x, cont, c, dc, dh))
        targets = self.target(dc_before), self.target(dx)
        given = 0, values, before, state, on, from_state, from_hidden, 0, 0
        self.launch("lstm_step_grad", c.count, *given, *targets, c.shape[-1])

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
        steps, n, d = h.shape
        inputs, fixed, on, matrix, hidden, state = map(self.source, (x, static, cont, weight, h0, c0))
        every_gates, every_state, every_hidden = map(self.target, (gates, c, h))
        for t in range(steps):
            recurrent = self._carried_product(n, d, 4 * d, hidden, on + t * n * FLOAT, matrix)
            at, wide = t * n * d * FLOAT, t * n * 4 * d * FLOAT
            given = inputs + wide, fixed, recurrent, state, on + t * n * FLOAT, every_gates + wide
            state, hidden = every_state + at, every_hidden + at
            self.launch("lstm_step", n * d, *given, state, hidden, d)
        self.device.copy(hidden, self.target(h_last), n * d * FLOAT)
        self.device.copy(state, self.target(c_last), n * d * FLOAT)

    def lstm_grad(
        self, cont: Tensor, weight: Tensor, c0: Tensor, gates: Tensor, c: Tensor, dh: Tensor, dx: Tensor
    ) -> None:
        """dx = the gradient of the pre-activations for the gradient dh of h, back through all steps."""
        steps, n, d = c.shape
        on, matrix, first, kept, state, gradient = map(self.source, (cont, weight, c0, gates, c, dh))
        result, later = self.target(dx), self.scratch("later", n * d)
        from_state = self.scratch("from state", n * d)
        for t in reversed(range(steps)):
            at, wide, row = t * n * d * FLOAT, t * n * 4 * d * FLOAT, t * n * FLOAT
            last = t == steps - 1
            before = state + at - n * d * FLOAT if t else first
            after = (0, 0) if last else (later, on + row + n * FLOAT)
            given = kept + wide, 0, before, state + at, on + row, 0 if last else from_state, gradient + at, *after
            self.launch("lstm_step_grad", n * d, *given, from_state, result + wide, d)
            self.multiply(Product(n, d, 4 * d, result + wide, matrix, later))

    def rnn(
        self, x: Tensor, static: Tensor | None, cont: Tensor, weight: Tensor, h0: Tensor, h: Tensor, h_last: Tensor
    ) -> None:
        """h[t] = tanh(x[t] + static + cont[t] h[t - 1] weight^T)."""
        steps, n, d = h.shape
        inputs, fixed, on, matrix, hidden = map(self.source, (x, static, cont, weight, h0))
        every = self.target(h)
        for t in range(steps):
            recurrent = self._carried_product(n, d, d, hidden, on + t * n * FLOAT, matrix)
            hidden = every + t * n * d * FLOAT
            self.launch("rnn_step", n * d, inputs + t * n * d * FLOAT, fixed, recurrent, hidden)
        self.device.copy(hidden, self.target(h_last), n * d * FLOAT)

    def rnn_grad(self, cont: Tensor, weight: Tensor, h: Tensor, dh: Tensor, dx: Tensor) -> None:
        """dx = the gradient of the pre-activations for the gradient dh of h, back through all steps."""
        steps, n, d = h.shape
        on, matrix, hidden, gradient = map(self.source, (cont, weight, h, dh))
        result, later = self.target(dx), self.scratch("later", n * d)
        for t in reversed(range(steps)):
            at = t * n * d * FLOAT
            after = (0, 0) if t == steps - 1 else (later, on + (t + 1) * n * FLOAT)
            self.launch("rnn_step_grad", n * d, hidden + at, gradient + at, *after, result + at, d)
            self.multiply(Product(n, d, d, result + at, matrix, later))

    def recurrent_grad_weight(self, dx: Tensor, cont: Tensor, h0: Tensor, h: Tensor, dweight: Tensor) -> None:
        """dweight += the sum over t of dx[t]^T cont[t] h[t - 1]."""
        steps, n, d = h.shape
        gradient, on, first, hidden = map(self.source, (dx, cont, h0, h))
        before = self.scratch("before", h.count)
        self.launch("carried", n * d, first, on, before, d)
        rest = (steps - 1) * n * d
        self.launch("carried", rest, hidden, on + n * FLOAT, before + n * d * FLOAT, d)
        outputs = dweight.shape[0]
        product = Product(outputs, d, steps * n, gradient, before, self.both(dweight), a_transposed=True, beta=1.0)
        self.multiply(product)

    def sum_steps(self, x: Tensor, y: Tensor) -> None:
        """y = the sum over t of x[t]."""
        self.launch("sum_steps", y.count, self.source(x), self.target(y), x.shape[0])

    def _carried_product(self, n: int, d: int, outputs: int, hidden: int, on: int, matrix: int) -> int:
        """The address of on hidden matrix^T (n, outputs)."""
        before, result = self.scratch("before", n * d), self.scratch("recurrent", n * outputs)
        self.launch("carried", n * d, hidden, on, before, d)
        self.multiply(Product(n, outputs, d, before, matrix, result, b_transposed=True))
        return result
