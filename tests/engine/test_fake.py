"""The fake device: no transfer is missing, and none is too many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from caffe_sdk.engine import Engine, select
from caffe_sdk.engine.fake import FakePlace
from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.memory import HOST, Tensor, new_tensor, transfers

CONVOLUTION = ConvolutionGeometry((3, 3), (1, 1), (0, 0), (1, 1))
POOLING = PoolingGeometry((2, 2), (2, 2), (0, 0))


@pytest.fixture(autouse=True)
def _counted() -> Iterator[None]:
    before = transfers.copy()
    transfers.clear()
    yield
    transfers.clear()
    transfers.update(before)


class Net:
    """Convolution, ReLU in place, pooling, and back."""

    def __init__(self, engine: Engine) -> None:
        rng = np.random.default_rng(5)
        self.x, self.weight, self.bias = (given(rng, s) for s in [(2, 3, 6, 6), (4, 3, 3, 3), (4,)])
        self.h, self.dh = new_tensor((2, 4, 4, 4)), new_tensor((2, 4, 4, 4))
        self.y, self.mask = new_tensor((2, 4, 2, 2)), new_tensor((2, 4, 2, 2), np.int32)
        self.dy = given(rng, (2, 4, 2, 2))
        self.dweight, self.dbias = new_tensor((4, 3, 3, 3)), new_tensor((4,))
        forward, backward = Recorder(), Recorder()
        forward.convolution(self.x, self.weight, self.bias, self.h, CONVOLUTION)
        forward.relu(self.h, self.h, 0.0)
        forward.max_pool(self.h, self.y, self.mask, POOLING)
        backward.max_pool_grad(self.dy, self.mask, self.dh, POOLING)
        backward.relu_grad(self.h, self.dh, self.dh, 0.0)
        backward.convolution_grad_weight(self.x, self.dh, self.dweight, self.dbias, CONVOLUTION)
        self.forward, self.backward = engine.compile(forward.calls), engine.compile(backward.calls)


def given(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    made = new_tensor(shape)
    made.memory.write(HOST)[...] = rng.normal(size=made.count)
    return made


def test_only_what_comes_from_outside_is_brought_and_only_once() -> None:
    net = Net(select("fake"))
    for _ in range(3):
        net.forward.run()
        net.backward.run()
    assert transfers == {("host", "fake"): 4}  # x, weight, bias, dy
    net.y.memory.read(HOST)
    net.y.memory.read(HOST)
    assert transfers["fake", "host"] == 1
    net.x.memory.update(HOST)[0] = 1
    net.forward.run()
    assert transfers == {("host", "fake"): 5, ("fake", "host"): 1}


def test_numbers_are_the_reference_engines() -> None:
    fake, reference = Net(select("fake")), Net(select("reference"))
    for net in (fake, reference):
        net.forward.run()
        net.backward.run()
    for name in ("y", "dweight", "dbias"):
        got, expected = (getattr(net, name).memory.read(HOST) for net in (fake, reference))
        np.testing.assert_array_equal(got, expected)


def test_what_nobody_wrote_is_not_a_number() -> None:
    assert np.isnan(FakePlace().allocate(3, np.dtype(np.float32))).all()
    assert (FakePlace().allocate(3, np.dtype(np.int32)) == 2**31 - 1).all()
