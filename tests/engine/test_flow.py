"""What calls need, make and lose, and whether they can be run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from caffe_sdk.engine.flow import Flow
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.memory import SyncedMemory, Tensor, new_tensor


def flow(calls: Callable[[Any], object]) -> Flow:
    recorder = Recorder()
    calls(recorder)
    return Flow(recorder.calls)


def memories(*tensors: Tensor) -> list[SyncedMemory]:
    return [tensor.memory for tensor in tensors]


A, B, C, D = (new_tensor((4,)) for _ in range(4))


def test_a_chain() -> None:
    chain = flow(lambda e: (e.relu(A, B, 0.0), e.relu(B, C, 0.0), e.add_all([A, C], D)))
    assert chain.needed == memories(A)
    assert chain.made == memories(B, C, D)
    assert chain.repeatable
    assert chain.lost({D.memory}) == set(memories(B, C))


def test_in_place_on_what_came_from_outside() -> None:
    changing = flow(lambda e: (e.relu(A, A, 0.0), e.relu(A, B, 0.0)))
    assert changing.needed == memories(A)
    assert not changing.repeatable
    assert changing.lost(set()) == {B.memory}


def test_in_place_on_what_was_made() -> None:
    inside = flow(lambda e: (e.relu(A, B, 0.0), e.relu(B, B, 0.0)))
    assert inside.needed == memories(A)
    assert inside.repeatable


def test_what_is_read_before_it_is_made() -> None:
    late = flow(lambda e: (e.relu(B, C, 0.0), e.relu(A, B, 0.0)))
    assert late.needed == memories(B, A)
    assert not late.repeatable
    assert late.lost(set()) == {C.memory}


def test_part_of_a_memory_is_not_all_of_it() -> None:
    part = flow(lambda e: e.relu(A.reshaped(4), Tensor(B.memory, (2,)), 0.0))
    assert part.needed == memories(A, B)
    assert part.lost(set()) == set()


def test_sums_need_what_was_there() -> None:
    x, dy, dw = new_tensor((2, 3)), new_tensor((2, 5)), new_tensor((5, 3))
    gradient = flow(lambda e: e.inner_product_grad_weight(x, dy, dw, None, False))
    assert dw.memory in gradient.needed
    assert not gradient.repeatable


def test_what_is_random_is_another_the_next_time() -> None:
    random = flow(lambda e: e.dropout(A, B, C, 0.5, np.random.default_rng(1)))
    assert not random.repeatable
