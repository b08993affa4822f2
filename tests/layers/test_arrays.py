"""MemoryData: arrays that the user hands over, with pycaffe's checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffe_sdk.errors import ArgumentError, DataError, LayerError
from caffe_sdk.net import Net
from tests.layers.making import made
from tests.net.models import classifier, describe

MEMORY = """layer { name: "memory" type: "MemoryData" top: "data" top: "label"
    memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 } }"""


def arrays(items: int) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.arange(items, dtype=np.float32)
    return np.ascontiguousarray(np.broadcast_to(numbers[:, None, None, None], (items, 1, 2, 3))), numbers


def test_batches_follow_each_other_and_begin_again() -> None:
    net = Net(describe(MEMORY), 0)
    assert [blob.shape for blob in net.blobs.values()] == [(2, 1, 2, 3), (2,)]
    data, labels = arrays(6)
    net.set_input_arrays(data, labels)
    for first in (0, 2, 4, 0):
        tops = net.forward()
        assert tops["label"].shape == (2, 1, 1, 1)
        assert tops["label"].reshape(-1).tolist() == [first, first + 1]
        assert tops["data"][:, 0, 0, 0].tolist() == [first, first + 1]
    data[2] = 70
    assert net.forward()["data"][0, 0, 0, 0] == 70
    net.set_input_arrays(*arrays(2))
    assert net.forward()["label"].reshape(-1).tolist() == [0, 1]


def test_position_is_resumed() -> None:
    first, second = Net(describe(MEMORY), 0), Net(describe(MEMORY), 0)
    for net in (first, second):
        net.set_input_arrays(*arrays(6))
    first.forward()
    second.restore_state(first.state())
    assert second.forward()["label"].reshape(-1).tolist() == [2, 3]
    empty = Net(describe(MEMORY), 0)
    empty.restore_state(first.state())
    empty.set_input_arrays(*arrays(6))
    assert empty.forward()["label"].reshape(-1).tolist() == [0, 1]


def test_before_there_are_arrays() -> None:
    with pytest.raises(DataError, match=r"layer 'memory' \(MemoryData\): has no arrays yet; call net.set_input_arrays"):
        Net(describe(MEMORY), 0).forward()
    with pytest.raises(LayerError, match=r"batch \(0, 1, 1, 1\) has an axis of 0"):
        made("MemoryData", "memory_data_param { channels: 1 height: 1 width: 1 }", bottoms=0, tops=2)


FLOATS, LABELS = np.zeros((4, 1, 2, 3), np.float32), np.zeros((4, 1, 1, 1), np.float32)


@pytest.mark.parametrize(
    ("data", "labels", "words"),
    [
        (FLOATS.astype(float), LABELS, "data array must be float32"),
        ([[1]], LABELS, "data array must be float32"),
        (np.zeros((4, 1, 3, 2), np.float32).swapaxes(2, 3), LABELS, "data array must be C contiguous"),
        (FLOATS[0], LABELS, "data array must be 4-d"),
        (np.zeros((4, 2, 2, 3), np.float32), LABELS, "data array has wrong number of channels"),
        (np.zeros((4, 1, 3, 3), np.float32), LABELS, "data array has wrong height"),
        (np.zeros((4, 1, 2, 2), np.float32), LABELS, "data array has wrong width"),
        (FLOATS, np.zeros((4, 2, 1, 1), np.float32), "labels array has wrong number of channels"),
        (FLOATS, np.zeros(4), "labels array must be float32"),
        (FLOATS, LABELS[:2], "data and labels must have the same first dimension"),
        (FLOATS[:3], LABELS[:3], "first dimensions of input arrays must be a multiple of batch size"),
        (FLOATS[:0], LABELS[:0], "first dimensions of input arrays must be a multiple of batch size"),
    ],
)
def test_arrays_that_do_not_fit(data: Any, labels: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Net(describe(MEMORY), 0).set_input_arrays(data, labels)


def test_other_nets_take_no_arrays() -> None:
    with pytest.raises(ArgumentError, match="may only be called if the first layer is a MemoryDataLayer"):
        classifier(0).set_input_arrays(FLOATS, LABELS)
