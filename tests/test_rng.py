"""Random numbers: one seed decides all, generators do not disturb each other, and their state can be stored."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from caffe_sdk import rng as random


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    before = random._root
    yield
    random._root = before


@pytest.mark.parametrize("seed", [0, 1701, -1, 2**63])
def test_seed_decides(seed: int) -> None:
    random.set_random_seed(seed)
    first = [random.spawn().random() for _ in range(3)]
    random.set_random_seed(seed)
    assert [random.spawn().random() for _ in range(3)] == first
    assert len(set(first)) == 3


def test_generators_are_independent() -> None:
    random.set_random_seed(1)
    a, b = random.spawn(), random.spawn()
    alone = [b.random() for _ in range(3)]
    random.set_random_seed(1)
    a, b = random.spawn(), random.spawn()
    mixed = [(a.random(), b.random())[1] for _ in range(3)]
    assert mixed == alone


def test_state_survives_json() -> None:
    generator = random.spawn()
    generator.normal(size=5)
    state = json.loads(json.dumps(random.get_state(generator)))
    following = generator.normal(size=5)
    other = random.spawn()
    random.set_state(other, state)
    np.testing.assert_array_equal(other.normal(size=5), following)
