"""Which size of batch serves best, and clones that share weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from caffe_sdk.serving.contexts import KEPT, Contexts, Sizes, sizes_up_to
from caffe_sdk.serving.deploy import Deployed, deploy
from caffe_sdk.serving.folder import files_of
from tests.serving.models import put


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    found = deploy(files_of(put(tmp_path)))
    yield found
    found.net.close()


@pytest.mark.parametrize(("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (8, (1, 2, 4, 8)), (20, (1, 2, 4, 8, 16, 20))])
def test_sizes(largest: int, sizes: tuple[int, ...]) -> None:
    assert sizes_up_to(largest) == sizes
    assert Sizes(largest).fitting(largest) == largest


def test_where_batches_pay_the_largest_is_best() -> None:
    sizes = Sizes(8)
    for size in sizes.all:
        sizes.took(size, 20 + size)
    assert [sizes.best(items) for items in (1, 2, 3, 5, 8, 100)] == [1, 2, 4, 8, 8, 8]
    assert sizes.best(1, least=3) == 4


def test_where_batches_do_not_pay_nobody_waits() -> None:
    sizes = Sizes(8)
    for size in sizes.all:
        sizes.took(size, 7 * size)
    assert [sizes.best(items) for items in (1, 5, 100)] == [1, 1, 1]


def test_filling_up_is_weighed_against_taking_less() -> None:
    sizes = Sizes(8)
    for size in sizes.all:
        sizes.took(size, 1 + size)
    assert sizes.best(5) == 4  # 5 of 8 in 9 s are fewer a second than 4 in 5 s
    assert sizes.best(8) == 8


def test_one_size_that_was_measured_badly_decides_nothing() -> None:
    sizes = Sizes(32)
    for size in sizes.all:
        sizes.took(size, (14 + 3.5 * size) * (1.5 if size == 32 else 1))
    assert sizes.best(64) == 32


def test_costs_follow_what_is_measured() -> None:
    sizes = Sizes(2)
    assert sizes.best(2) == 2  # nothing measured yet
    sizes.took(2, 1.0)
    assert sizes.seconds(2) == pytest.approx(1.0)
    assert sizes.seconds(1) == pytest.approx(0.5)
    sizes.took(1, 1.0)
    assert sizes.seconds(1) == pytest.approx(1, rel=0.01)
    for _ in range(50):
        sizes.took(2, 4.0)
    assert sizes.best(2) == 1
    for _ in range(300):
        sizes.took(1, 1.0)
    assert sizes.best(2) == 2  # to be tried again


def test_a_line_neither_falls_nor_begins_below_zero() -> None:
    for seconds in ({1: 1.0, 2: 5.0}, {1: 5.0, 2: 1.0}, {1: 1.0}, {1: 1.0, 2: 2.0, 4: 4.0}):
        sizes = Sizes(4)
        for size, took in seconds.items():
            sizes.took(size, took)
        assert 0 <= sizes.seconds(0) <= sizes.seconds(1) <= sizes.seconds(4)


def test_clones_share_weights_and_are_kept(deployed: Deployed) -> None:
    contexts = Contexts(deployed, 1 << 30, "here")
    item = {"data": np.ones((1, 3, 8, 8), np.float32)}
    contexts.run([item], 1, ["prob"], keep=True)
    contexts.run([item, item], 4, ["prob"], keep=True)
    nets = [contexts._context(size, (("data", (3, 8, 8)),), False).net for size in (1, 4)]
    assert nets[0] is not nets[1]
    weights = [net.params["fc"][0].data_memory for net in (*nets, deployed.net)]
    assert weights[0] is weights[1] is weights[2]
    for size in range(1, KEPT + 10):
        contexts.run([item], size, ["prob"])
    assert contexts._context(4, (("data", (3, 8, 8)),), False).net is nets[1]
    assert len(contexts._latest) == KEPT
    contexts.close()
