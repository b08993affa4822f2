"""What threads share is done once, whole, and what goes wrong in one of them is heard of."""

from __future__ import annotations

import threading

import pytest

from caffe_sdk.engine.portable import team
from caffe_sdk.threads import set_num_threads
from tests.engine.portable import test_convolution, test_dense, test_normalization, test_pooling, test_winograd


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_every_part_is_done_once(threads, count):
    set_num_threads(threads)
    done, who = [], set()

    def work(start, end):
        done.extend(range(start, end))
        who.add(threading.current_thread())

    team.shared(work, count, 1 << 20)
    assert sorted(done) == list(range(count))
    assert len(who) <= threads


def test_little_is_not_divided():
    set_num_threads(2)
    parts = []
    team.shared(lambda start, end: parts.append((start, end)), 10, team.LEAST)
    assert parts == [(0, 10)]


@pytest.mark.parametrize("wrong", [0, 5])
def test_what_goes_wrong_is_heard_of(wrong):
    set_num_threads(2)

    def work(start, end):
        if start == wrong:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        team.shared(work, 10, 1 << 20)


def test_operations_are_the_same_with_many_threads(monkeypatch):
    monkeypatch.setattr(team, "LEAST", 1)
    set_num_threads(3)
    for setting in ("strided", "grouped"):
        test_convolution.test_convolution_and_gradients(monkeypatch, setting, 150)
    test_pooling.test_pooling_and_gradients("padded")
    test_normalization.test_lrn_and_gradient(5, 0.75, False)
    test_normalization.test_batch_norm_and_gradient(test_normalization.X, False)
    test_dense.test_inner_product_and_gradients(3, False)
    monkeypatch.setenv("CAFFE_CONVOLUTION", "winograd")
    test_winograd.test_convolution_and_gradient(monkeypatch, "3x3 grouped", 1)
