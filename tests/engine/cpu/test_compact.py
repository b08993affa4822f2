"""Matrices that are written in codes where they lie: when, when not any more, and what others see of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk import engine
from caffe_sdk.engine.cpu import compact, dense
from caffe_sdk.engine.cpu.compact import Compact, Matrix
from caffe_sdk.errors import InternalError
from caffe_sdk.memory import HOST, Array, SyncedMemory, transfers
from caffe_sdk.net import Net
from tests.net.models import describe

ROWS, COLUMNS = 250, 1152
PLACE = Compact(ROWS, COLUMNS)


@pytest.fixture(autouse=True)
def small_matrices_are_worth_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "LEAST", 1)
    monkeypatch.setattr(dense, "LARGE", 1)


def weights(seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(ROWS * COLUMNS).astype(np.float32)


def memory_of(numbers: Array, held_once: bool = True) -> SyncedMemory:
    memory = SyncedMemory(numbers.size)
    memory.write(HOST)[...] = numbers
    memory.held_once = held_once
    return memory


def entered(matrix: Matrix, times: int = 1) -> list[bool]:
    """Whether the matrix was in codes at each product."""
    found = []
    for _ in range(times):
        matrix.enter()
        found.append(PLACE in matrix.memory.fresh)
    return found


# -- the place ---------------------------------------------------------------------------------------------------------


def test_there_and_back() -> None:
    numbers = weights()
    numbers[[5, 1090, 30000]] = 0, 1e-30, np.inf
    for memory in (memory_of(numbers), memory_of(numbers, held_once=False)):
        host = memory.read(HOST)
        assert (memory.read(PLACE) is host) == memory.held_once
        assert memory.nbytes(PLACE) == memory.nbytes(HOST)
        back = SyncedMemory(numbers.size)
        back.write(PLACE)[...] = memory.read(PLACE)
        np.testing.assert_array_equal(back.read(HOST), numbers)


def test_zeros() -> None:
    memory = SyncedMemory(ROWS * COLUMNS)
    memory.read(PLACE)
    memory.wrote([PLACE])
    assert not memory.read(HOST).any()


def test_numbers_of_all_sizes_stay_as_they_are() -> None:
    numbers = weights() * np.float32(10) ** np.arange(-30, 30, 60 / (ROWS * COLUMNS)).astype(np.float32).reshape(
        COLUMNS, ROWS
    ).T.reshape(-1)
    memory = memory_of(numbers)
    assert not memory.become(PLACE)
    np.testing.assert_array_equal(memory.read(HOST), numbers)
    assert memory.places == [HOST]
    with pytest.raises(InternalError, match="no code"):
        memory.read(PLACE)


# -- when --------------------------------------------------------------------------------------------------------------


def test_it_is_written_when_it_is_first_multiplied() -> None:
    matrix = Matrix(memory_of(weights()), (ROWS, COLUMNS))
    assert entered(matrix, 3) == [True, True, True]
    assert matrix.memory.places == [PLACE]


def test_who_changes_it_often_has_it_read_as_it_is() -> None:
    matrix = Matrix(memory_of(weights()), (ROWS, COLUMNS))
    turns = []
    for _ in range(12):
        turns.append(sum(entered(matrix, 5)))
        matrix.memory.update(HOST)[0] += 1
    assert turns == [5, 5, 5, 1] + [0] * 8
    assert matrix.memory.places == [HOST], "what is old is given back"
    assert entered(matrix, 20) == [False] * 16 + [True] * 4


def test_a_change_after_many_products_is_forgiven() -> None:
    matrix = Matrix(memory_of(weights()), (ROWS, COLUMNS))
    for _ in range(compact.FORGIVEN + 2):
        assert all(entered(matrix, compact.ENOUGH))
        matrix.memory.update(HOST)[0] += 1


def test_what_has_no_codes_is_tried_once_until_it_changes() -> None:
    memory = memory_of(np.zeros(ROWS * COLUMNS, np.float32))
    memory.write(HOST)[::2] = 1
    matrix = Matrix(memory, (ROWS, COLUMNS))
    before = transfers.copy()
    assert not any(entered(matrix, 50))
    assert transfers == before
    memory.write(HOST)[...] = weights()
    assert all(entered(matrix, 3))


@pytest.mark.parametrize("why", ["small", "others read it", "somebody holds a view"])
def test_it_stays_as_it_is(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = memory_of(weights(), held_once=why != "others read it")
    if why == "small":
        monkeypatch.setattr(compact, "LEAST", ROWS * COLUMNS + 1)
    view = memory.view() if why == "somebody holds a view" else None
    matrix = Matrix(memory, (ROWS, COLUMNS))
    assert not any(entered(matrix, 9))
    del view


# -- in nets -----------------------------------------------------------------------------------------------------------

TEXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1024 } } }
layer { name: "one" type: "InnerProduct" bottom: "data" top: "one" inner_product_param { num_output: 1152 } }
layer { name: "rectified" type: "ReLU" bottom: "one" top: "one" }
layer { name: "two" type: "InnerProduct" bottom: "one" top: "two"
        inner_product_param { num_output: 120 bias_term: false } }
"""


def net_of() -> Net:
    """Two inner products, the first with a bias and a ReLU."""
    net = Net(describe(TEXT), caffe.TEST)
    rng = np.random.default_rng(4)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.standard_normal(blob.shape)
    net.blobs["data"].data[...] = rng.standard_normal((1, 1024))
    return net


def result(net: Net) -> Array:
    net.forward()
    return net.blobs["two"].data.copy()


def expected(net: Net) -> Array:
    x, one, bias, two = net.blobs["data"].data, *(blob.data for blobs in net.params.values() for blob in blobs)
    return np.maximum(x @ one.T.astype(np.float64) + bias, 0) @ two.T


def in_codes(net: Net) -> bool:
    return all(isinstance(*blobs[0].data_memory.places, Compact) for blobs in net.params.values())


def agree(net: Net) -> None:
    got = result(net)
    codes = in_codes(net)
    np.testing.assert_allclose(got, expected(net), rtol=1e-4, atol=1e-2)
    assert codes


@pytest.fixture(autouse=True)
def by_the_cpu_engine() -> Any:
    with engine.use("cpu"):
        yield


def test_a_net_computes_the_same_and_takes_no_more() -> None:
    with net_of() as net:
        planned = net.memory
        agree(net)
        assert net.allocated().parameters == planned.parameters + sum(b[0].data.nbytes for b in net.params.values())
    with net_of() as net:
        planned = net.memory
        results = [result(net) for _ in range(3)]
        assert net.allocated() == planned
        assert all((each == results[0]).all() for each in results)


def test_weights_can_be_looked_at_changed_saved_and_read(tmp_path: Any) -> None:
    with net_of() as net, net_of() as other:
        agree(net)
        net.params["one"][0].data[3] = 7
        result(net)
        np.testing.assert_allclose(result(net), expected(net), rtol=1e-4, atol=1e-2)
        assert (net.params["one"][0].data[3] == 7).all()
        net.save(str(tmp_path / "net.caffemodel"))
        result(other)
        other.copy_from(str(tmp_path / "net.caffemodel"))
        np.testing.assert_array_equal(result(other), result(net))
        np.testing.assert_array_equal(other.params["one"][0].data, net.params["one"][0].data)


def test_other_batches_and_back() -> None:
    with net_of() as net:
        agree(net)
        first = result(net)
        data = net.blobs["data"].data.copy()
        net.blobs["data"].reshape(5, 1024)
        net.blobs["data"].data[...] = data
        np.testing.assert_allclose(result(net), np.repeat(first, 5, 0), rtol=1e-4, atol=1e-2)
        net.blobs["data"].reshape(1, 1024)
        net.blobs["data"].data[...] = data
        np.testing.assert_array_equal(result(net), first)


def test_what_was_lost_is_computed_with_the_weights_of_its_run() -> None:
    with net_of() as net:
        data, one, bias = net.blobs["data"].data.copy(), *(blob.data.copy() for blob in net.params["one"])
        result(net)
        assert in_codes(net)
        net.params["one"][0].data_memory.write(HOST)[...] = 0
        hidden = np.maximum(data @ one.T.astype(np.float64) + bias, 0)
        np.testing.assert_allclose(net.blobs["one"].data, hidden, rtol=1e-4, atol=1e-3)
        result(net)
        np.testing.assert_allclose(net.blobs["one"].data[0], np.maximum(bias, 0), rtol=1e-6)


def test_clones_multiply_by_codes_that_are_there() -> None:
    with net_of() as net:
        data, first = net.blobs["data"].data.copy(), result(net)
        assert in_codes(net)
        with net.clone() as twin:
            twin.blobs["data"].data[...] = data
            np.testing.assert_array_equal(result(twin), first)
            assert in_codes(net)


def test_threads_make_no_difference() -> None:
    before = caffe.num_threads()
    with net_of() as net:
        caffe.set_num_threads(1)
        first = result(net)
        caffe.set_num_threads(2)
        np.testing.assert_array_equal(result(net), first)
    caffe.set_num_threads(before)
