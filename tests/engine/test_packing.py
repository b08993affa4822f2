"""Spans that are in use together never overlap, and little is wasted."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.packing import Span, assign
from caffe_sdk.memory import ALIGNMENT


class Bytes(Span):
    """So many."""

    def __init__(self, nbytes: int, first: int, last: int) -> None:
        super().__init__()
        self._nbytes = nbytes
        self.use(first)
        self.use(last)

    @property
    def nbytes(self) -> int:
        return self._nbytes


def busiest(spans: list[Bytes]) -> int:
    """Bytes in use at the step that uses most: no area can be smaller."""
    last = max(span.last for span in spans)
    return max(sum(s.nbytes for s in spans if s.first <= step <= s.last) for step in range(last + 1))


@pytest.mark.parametrize("alignment", [ALIGNMENT, 256])
@pytest.mark.parametrize("seed", range(20))
def test_no_two_spans_in_use_overlap(seed: int, alignment: int) -> None:
    generator = np.random.default_rng(seed)
    spans = []
    for _ in range(60):
        first = int(generator.integers(0, 40))
        spans.append(Bytes(4 * int(generator.integers(0, 5000)), first, first + int(generator.integers(0, 8))))
    nbytes = assign(spans, alignment)
    for i, one in enumerate(spans):
        assert one.offset is not None
        assert one.offset % alignment == 0
        assert one.offset + one.nbytes <= nbytes
        for other in spans[:i]:
            if one.meets(other):
                assert other.offset is not None
                apart = one.offset + one.nbytes <= other.offset or other.offset + other.nbytes <= one.offset
                assert apart or not one.nbytes or not other.nbytes
    assert nbytes <= 1.35 * busiest(spans)


def test_a_chain_takes_two_rooms() -> None:
    assert assign([Bytes(6400, i, i + 1) for i in range(10)]) == 2 * 6400


def test_small_ones_go_between_large_ones() -> None:
    large = [Bytes(6400, 0, 1), Bytes(6400, 1, 2), Bytes(12800, 4, 5)]
    assert assign([Bytes(3200, 2, 4), *large]) == 2 * 6400 + 3200


def test_nothing_takes_nothing() -> None:
    assert assign([]) == 0
    with pytest.raises(NotImplementedError):
        _ = Span().nbytes
