"""What every engine has: ways to its tensors that keep the rules of memory."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.fake import FakePlace
from caffe_sdk.memory import HOST, Place, SyncedMemory, Tensor


class Far(EngineBase):
    place: Place = FakePlace()


def test_reading_writing_and_updating() -> None:
    engine = Far()
    tensor = Tensor(SyncedMemory(6), (2, 3))
    assert engine.read(tensor).shape == (2, 3)
    engine.write(tensor)[...] = 2
    assert tensor.memory.fresh == {engine.place}
    engine.update(tensor)[0] += 1
    np.testing.assert_array_equal(tensor.memory.read(HOST), [3, 3, 3, 2, 2, 2])


def test_a_tensor_may_be_smaller_than_its_memory() -> None:
    memory = SyncedMemory(6)
    EngineBase().write(Tensor(memory, (2, 2)))[...] = 1
    assert memory.read(HOST)[:4].tolist() == [1] * 4


def test_program_of_no_calls() -> None:
    EngineBase().compile([]).run()
