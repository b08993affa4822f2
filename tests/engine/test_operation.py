"""Operations: recorded calls know what they read and write, and replaying them equals calling."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from caffe_sdk.engine import Engine, select
from caffe_sdk.engine.operation import OPERATIONS, EagerProgram, Recorder, operation
from caffe_sdk.errors import DataError, DeviceError
from caffe_sdk.memory import HOST, Tensor, new_tensor


def tensor(*values: float) -> Tensor:
    made = new_tensor((len(values),))
    made.memory.write(HOST)[...] = values
    return made


def values(tensor: Tensor) -> list[float]:
    return [float(v) for v in tensor.memory.read(HOST)]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operations_name_their_own_parameters(name: str) -> None:
    found = OPERATIONS[name]
    names = set(found.signature.parameters)
    assert found.writes | found.updates <= names
    assert found.writes | found.updates, f"{name} changes nothing"
    assert not found.writes & found.updates
    assert inspect.getdoc(getattr(Engine, name))


def test_calls_know_what_they_read_and_write() -> None:
    recorder = Recorder()
    x, dy, dweight = new_tensor((2, 3)), new_tensor((2, 4)), new_tensor((4, 3))
    recorder.inner_product_grad_weight(x, dy, dweight, None, transpose=False)
    recorder.add_all([x, x], y=x)
    gradient, addition = recorder.calls
    assert gradient.name == "inner_product_grad_weight"
    assert gradient.reads() == [x, dy, dweight]
    assert gradient.writes() == [dweight]
    assert gradient["dbias"] is None
    assert addition.reads() == [x, x]
    assert addition.writes() == [x]
    assert repr(addition).startswith("add_all(xs=[Tensor(2 3 at ")


def test_recorder_computes_nothing_and_knows_operations_only() -> None:
    recorder = Recorder()
    x = tensor(1, 2)
    recorder.fill(x, 5.0)
    assert values(x) == [1, 2]
    with pytest.raises(AttributeError, match="'paint' is not an operation"):
        recorder.paint(x)
    with pytest.raises(TypeError):
        recorder.fill(x)


def test_program_replays_calls_in_order() -> None:
    x, y = tensor(1, 2), tensor(0, 0)
    recorder = Recorder()
    recorder.add_all([x, x], y)
    recorder.copy(y, x)
    program = EagerProgram(select("reference"), recorder.calls)
    assert values(y) == [0, 0]
    program.run()
    assert values(y) == [2, 4]
    program.run()
    assert values(x) == [4, 8]


def test_errors_name_the_layer_that_asked() -> None:
    recorder = Recorder()
    recorder.where = "layer 'loss' (SoftmaxWithLoss)"
    recorder.softmax_loss(new_tensor((1, 3)), tensor(7), new_tensor(()), 1, None, "VALID")
    for engine in ("reference", "cpu"):
        with pytest.raises(DataError, match=r"^layer 'loss' \(SoftmaxWithLoss\): label: 7 is not one of 3 classes"):
            select(engine).compile(recorder.calls).run()
    nameless = EagerProgram(select("reference"), [recorder.calls[0].operation.bind((), recorder.calls[0].arguments)])
    with pytest.raises(DataError, match=r"^label: 7"):
        nameless.run()


def test_what_overflows_is_infinite_without_a_warning() -> None:
    x, y = tensor(1000, -1, 0), tensor(0, 0, 0)
    engine = select("reference")
    engine.exponential(x, y, 1.0, 0.0)
    assert values(y)[0] == np.inf
    engine.logarithm(x, y, 1.0, 1.0, 0.0)
    assert np.isnan(values(y)[1])
    assert values(y)[2] == -np.inf


def test_running_out_of_memory_names_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caffe_sdk.engine.operation.OPERATIONS", {})

    class Greedy:
        @operation(writes="y")
        def greedy(self, y: Tensor) -> None:
            raise MemoryError("Unable to allocate 512 GiB")

    with pytest.raises(DeviceError, match="greedy needs more memory than there is: Unable to allocate 512 GiB"):
        Greedy().greedy(tensor(1))
