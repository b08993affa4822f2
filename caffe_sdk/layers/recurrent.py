"""Recurrent layers. Sequences lie along axis 0: (T steps, N sequences, ...)."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.layers.base import Arity, Layer, Parameter, exactly, layer
from caffe_sdk.memory import HOST, Shape, Tensor, new_tensor


@layer("LSTMUnit")
class LSTMUnit(Layer):
    """One step of an LSTM.  c (1, n, d), x (1, n, 4 d), cont (1, n) -> c (1, n, d), h (1, n, d)

    i, f, o, g = sigmoid, sigmoid, sigmoid, tanh of the quarters of x;  c = cont f c + i g;  h = o tanh(c)
    """

    bottoms = exactly(3)
    tops = exactly(2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        c, x, cont = bottoms
        self.check_shape(len(c) == 3 and c[0] == 1, f"the state has shape {c}", "give (1, n, d)")
        n, d = c[1:]
        self.check_shape(x == (1, n, 4 * d), f"state {c} and input {x}", f"give the input the shape {(1, n, 4 * d)}")
        self.check_shape(cont == (1, n), f"state {c} and cont {cont}", f"give cont the shape {(1, n)}")
        return [c, c]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        n, d = bottom[0].shape[1:]
        c_before, x, cont = self._inputs(bottom)
        engine.lstm_unit(c_before, x, cont, top[0].data_tensor.reshaped(n, d), top[1].data_tensor.reshaped(n, d))

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self.check(not needs[2], "cannot backpropagate to cont", "set propagate_down: false for it")
        if needs[0] or needs[1]:
            n, d = bottom[0].shape[1:]
            c, dc, dh = (t.reshaped(n, d) for t in (top[0].data_tensor, top[0].diff_tensor, top[1].diff_tensor))
            dc_before = bottom[0].diff_tensor.reshaped(n, d) if needs[0] else None
            dx = bottom[1].diff_tensor.reshaped(n, 4 * d) if needs[1] else None
            engine.lstm_unit_grad(*self._inputs(bottom), c, dc, dh, dc_before, dx)

    def _inputs(self, bottom: Sequence[Blob]) -> tuple[Tensor, Tensor, Tensor]:
        n, d = bottom[0].shape[1:]
        c, x, cont = (b.data_tensor for b in bottom)
        return c.reshaped(n, d), x.reshaped(n, 4 * d), cont.reshaped(n)

    def can_force_backward(self, bottom: int) -> bool:
        return bottom != 2


class Recurrent(Layer):
    """What LSTM and RNN share.  x (T, N, ...), cont (T, N), [static (N, ...)], [states (1, N, D)] -> (T, N, D), [...]

    cont is 0 where a sequence begins, else 1. The states after the last step are those before the first of the next
    forward pass, unless ``expose_hidden`` makes bottoms and tops of them. Gradients stay within a pass: as in Caffe,
    states before the first step get none, and those of states after the last do not count.
    """

    bottoms = Arity(2, 5)
    tops = Arity(1, 3)
    smooth_tops = 1
    gates: ClassVar[int] = 1
    """How many pre-activations each output has."""
    states: ClassVar[int] = 1
    """How many states of D numbers each sequence has; the output is the first."""

    def setup(self, config: Any) -> None:
        self.param = config.recurrent_param
        self.outputs: int = self.param.num_output
        self.check(self.outputs > 0, "num_output: 0", "give num_output: 1 or more")
        self.exposed: int = self.states if self.param.expose_hidden else 0
        bottoms, tops = len(config.bottom), len(config.top)
        least, wanted = 2 + self.exposed, 1 + self.exposed
        remedy = f"with expose_hidden: {str(bool(self.exposed)).lower()} give "
        self.check(
            least <= bottoms <= least + 1,
            f"has {bottoms} bottoms",
            f"{remedy}{least}, or {least + 1} with a static one",
        )
        self.check(tops == wanted, f"has {tops} tops", f"{remedy}{wanted}")
        self.static = 2 if bottoms > least else None
        self._buffers: dict[str, Tensor] = {}
        self._dtype: np.dtype[Any] = np.dtype(np.float32)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        x, cont = bottoms[:2]
        self.check_shape(len(x) >= 2, f"input has shape {x}", "give (steps, sequences, ...)")
        self.check_shape(cont == x[:2], f"input {x} and cont {cont}", f"give cont the shape {x[:2]}")
        if self.static is not None:
            static = bottoms[self.static]
            self.check_shape(static[:1] == x[1:2], f"input {x} and static input {static}", f"give it ({x[1]}, ...)")
        state = (1, x[1], self.outputs)
        for given in bottoms[len(bottoms) - self.exposed :]:
            self.check_shape(given == state, f"a state of shape {given}", f"give {state}")
        return [(*x[:2], self.outputs)] + [state] * self.exposed

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        count, weight, bias = self.gates * self.outputs, self.param.weight_filler, self.param.bias_filler
        found = [Parameter((count, math.prod(bottoms[0][2:])), weight), Parameter((count,), bias)]
        if self.static is not None:
            found.append(Parameter((count, math.prod(bottoms[self.static][1:])), weight))
        return [*found, Parameter((count, self.outputs), weight)]

    def multiply_adds(self, bottoms: Sequence[Shape]) -> int:
        (steps, sequences), weights = bottoms[0][:2], [p.shape for p in self.parameters(bottoms) if len(p.shape) == 2]
        static = weights.pop(1) if self.static is not None else (0,)
        return sequences * (steps * sum(map(math.prod, weights)) + math.prod(static))

    @property
    def recurrent(self) -> int:
        """The index of the parameter that sees the output of the step before."""
        return 2 if self.static is None else 3

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._steps, self._sequences = bottom[0].shape[:2]
        self._dtype = bottom[0].dtype
        for i in range(self.states):  # the states live on between passes
            self.buffer(f"before {i}", self._sequences, self.outputs)
            self.buffer(f"after {i}", self._sequences, self.outputs)

    def buffer(self, name: str, *shape: int) -> Tensor:
        """A buffer of the layer's own; the same one as long as the shape is."""
        found = self._buffers.get(name)
        if found is None or found.shape != shape or found.memory.dtype != self._dtype:
            found = self._buffers[name] = new_tensor(shape, self._dtype)
        return found

    def sequence(self, name: str, size: int) -> Tensor:
        """A buffer (T, N, size)."""
        return self.buffer(name, self._steps, self._sequences, size)

    def before(self, bottom: Sequence[Blob]) -> list[Tensor]:
        """The states before the first step, (N, D)."""
        if self.exposed:
            return [b.data_tensor.reshaped(*b.shape[1:]) for b in bottom[-self.exposed :]]
        return [self._buffers[f"before {i}"] for i in range(self.states)]

    def after(self, top: Sequence[Blob]) -> list[Tensor]:
        """The states after the last step, (N, D)."""
        if self.exposed:
            return [t.data_tensor.reshaped(*t.shape[1:]) for t in top[1:]]
        return [self._buffers[f"after {i}"] for i in range(self.states)]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if not self.exposed:
            for first, last in zip(self.before(bottom), self.after(top), strict=True):
                engine.copy(last, first)
        inputs = self.sequence("inputs", self.gates * self.outputs)
        x = _rows(bottom[0].data_tensor, 2)
        engine.inner_product(x, self.blobs[0].data_tensor, self.blobs[1].data_tensor, _rows(inputs, 2), False)
        static = None
        if self.static is not None:
            static = self.buffer("static", self._sequences, self.gates * self.outputs)
            values = _rows(bottom[self.static].data_tensor, 1)
            engine.inner_product(values, self.blobs[2].data_tensor, None, static, False)
        output = self.run(engine, inputs, static, bottom, top)
        engine.copy(output, top[0].data_tensor)  # a copy, for layers behind may change their bottom in place

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        outside = [1, *range(len(bottom) - self.exposed, len(bottom))]
        self.check(
            not any(needs[i] for i in outside), "cannot backpropagate to cont or states", "set propagate_down: false"
        )
        if not any((*needs, *self.param_needs)):
            return
        dinputs = self.sequence("dinputs", self.gates * self.outputs)
        self.run_back(engine, top[0].diff_tensor, dinputs, bottom)
        dweight = self.gradient(self.recurrent)
        if dweight is not None:
            hidden = self.sequence("h", self.outputs)
            engine.recurrent_grad_weight(dinputs, bottom[1].data_tensor, self.before(bottom)[0], hidden, dweight)
        self._project_back(engine, bottom[0], 2, 0, self.gradient(1), dinputs, needs[0])
        if self.static is not None:
            dstatic = self.buffer("dstatic", self._sequences, self.gates * self.outputs)
            engine.sum_steps(dinputs, dstatic)
            self._project_back(engine, bottom[self.static], 1, 2, None, dstatic, needs[self.static])

    def _project_back(
        self, engine: Engine, x: Blob, lead: int, weight: int, dbias: Tensor | None, dy: Tensor, needed: bool
    ) -> None:
        """The gradients of one of the products before the recurrence."""
        gradient, dweight = _rows(dy, lead), self.gradient(weight)
        if dweight is not None or dbias is not None:
            engine.inner_product_grad_weight(_rows(x.data_tensor, lead), gradient, dweight, dbias, False)
        if needed:
            dx = _rows(x.diff_tensor, lead)
            engine.inner_product_grad_data(gradient, self.blobs[weight].data_tensor, dx, False)

    def run(
        self, engine: Engine, inputs: Tensor, static: Tensor | None, bottom: Sequence[Blob], top: Sequence[Blob]
    ) -> Tensor:
        """The recurrence: from what inputs contribute (T, N, G) to the output (T, N, D)."""
        raise NotImplementedError

    def run_back(self, engine: Engine, dy: Tensor, dinputs: Tensor, bottom: Sequence[Blob]) -> None:
        """From the gradient of the output to that of the inputs' contribution."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        after = [] if self.exposed else [self._buffers[f"after {i}"] for i in range(self.states)]
        numbers = [tensor.memory.read(HOST).astype(np.float32).tobytes() for tensor in after]
        return {"states": [base64.b64encode(each).decode() for each in numbers]} if after else {}

    def restore_state(self, state: dict[str, Any]) -> None:
        for i, text in enumerate(state["states"]):
            numbers = np.frombuffer(base64.b64decode(text), np.float32)
            after = self._buffers[f"after {i}"]
            if numbers.size == after.count:  # another number of sequences begins with zeros
                after.memory.write(HOST)[...] = numbers

    def can_force_backward(self, bottom: int) -> bool:
        return bottom == 0 or bottom == self.static


@layer("LSTM")
class LSTM(Recurrent):
    """Long short-term memory.  x (T, N, ...), cont (T, N), [static (N, ...)], [h, c (1, N, D)] -> h (T, N, D), [h, c]

    Pre-activations are W_x x + b + W_static static + cont W_h h; see `LSTMUnit` for the rest. Parameters are W_x
    (4 D, ...), b (4 D,), [W_static (4 D, ...)], W_h (4 D, D), with gates in the order i, f, o, g.
    """

    gates = 4
    states = 2

    def run(
        self, engine: Engine, inputs: Tensor, static: Tensor | None, bottom: Sequence[Blob], top: Sequence[Blob]
    ) -> Tensor:
        cont, weight = bottom[1].data_tensor, self.blobs[self.recurrent].data_tensor
        gates = self.sequence("gates", 4 * self.outputs)
        h, c = self.sequence("h", self.outputs), self.sequence("c", self.outputs)
        h0, c0 = self.before(bottom)
        h_last, c_last = self.after(top)
        engine.lstm(inputs, static, cont, weight, h0, c0, gates, c, h, h_last, c_last)
        return h

    def run_back(self, engine: Engine, dy: Tensor, dinputs: Tensor, bottom: Sequence[Blob]) -> None:
        cont, weight = bottom[1].data_tensor, self.blobs[self.recurrent].data_tensor
        gates, c = self.sequence("gates", 4 * self.outputs), self.sequence("c", self.outputs)
        engine.lstm_grad(cont, weight, self.before(bottom)[1], gates, c, dy, dinputs)


@layer("RNN")
class RNN(Recurrent):
    """Plain recurrence.  x (T, N, ...), cont (T, N), [static (N, ...)], [h (1, N, D)] -> y (T, N, D), [h]

    h = tanh(W_x x + b + W_static static + cont W_h h);  y = tanh(W_y h + b_y). Parameters are W_x (D, ...), b (D,),
    [W_static (D, ...)], W_h (D, D), W_y (D, D), b_y (D,).
    """

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        weight = Parameter((self.outputs, self.outputs), self.param.weight_filler)
        return [*super().parameters(bottoms), weight, Parameter((self.outputs,), self.param.bias_filler)]

    def run(
        self, engine: Engine, inputs: Tensor, static: Tensor | None, bottom: Sequence[Blob], top: Sequence[Blob]
    ) -> Tensor:
        cont, weight = bottom[1].data_tensor, self.blobs[self.recurrent].data_tensor
        h, y = self.sequence("h", self.outputs), self.sequence("y", self.outputs)
        (h0,), (h_last,) = self.before(bottom), self.after(top)
        engine.rnn(inputs, static, cont, weight, h0, h, h_last)
        weight, bias = (self.blobs[self.recurrent + i].data_tensor for i in (1, 2))
        engine.inner_product(_rows(h, 2), weight, bias, _rows(y, 2), False)
        engine.tanh(y, y)
        return y

    def run_back(self, engine: Engine, dy: Tensor, dinputs: Tensor, bottom: Sequence[Blob]) -> None:
        cont, weight = bottom[1].data_tensor, self.blobs[self.recurrent].data_tensor
        h, y = self.sequence("h", self.outputs), self.sequence("y", self.outputs)
        dh, dproduct = self.sequence("dh", self.outputs), self.sequence("dy", self.outputs)
        engine.tanh_grad(y, dy, dproduct)
        dweight, dbias = (self.gradient(self.recurrent + i) for i in (1, 2))
        if dweight is not None or dbias is not None:
            engine.inner_product_grad_weight(_rows(h, 2), _rows(dproduct, 2), dweight, dbias, False)
        product = self.blobs[self.recurrent + 1].data_tensor
        engine.inner_product_grad_data(_rows(dproduct, 2), product, _rows(dh, 2), False)
        engine.rnn_grad(cont, weight, h, dh, dinputs)


def _rows(tensor: Tensor, lead: int) -> Tensor:
    """The tensor as a matrix, cut behind ``lead`` axes."""
    return tensor.reshaped(math.prod(tensor.shape[:lead]), math.prod(tensor.shape[lead:]))
