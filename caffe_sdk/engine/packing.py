"""Places in one area for what is needed at different times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caffe_sdk.memory import ALIGNMENT


class Span:
    """Bytes that the steps ``first`` to ``last`` use, and where in an area they are."""

    __slots__ = ("first", "last", "offset")

    def __init__(self) -> None:
        self.first, self.last = -1, -1
        self.offset: int | None = None
        """None for what is elsewhere."""

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""
        raise NotImplementedError

    def use(self, step: int) -> None:
        """A step, no earlier than those before, works on it."""
        if self.first < 0:
            self.first = step
        self.last = step

    def meets(self, other: Span) -> bool:
        """Whether both are in use at some step."""
        return self.first <= other.last and other.first <= self.last


def assign(spans: Iterable[Span], alignment: int = ALIGNMENT) -> int:
    """Give every span an offset such that none overlaps another that is in use at the same step; bytes in all.

    The largest first, each into the tightest gap it fits into: what is small finds room between what is large. This
    comes within a few per cent of what the busiest step needs for all the nets we know.
    """
    placed: list[Span] = []
    end = 0
    for span in sorted(spans, key=lambda span: (-span.nbytes, span.first)):
        span.offset = _tightest(span, [other for other in placed if other.meets(span)], alignment)
        placed.append(span)
        end = max(end, span.offset + span.nbytes)
    return end


def _tightest(span: Span, others: Sequence[Span], alignment: int) -> int:
    """The begin of the smallest gap between others that a span fits into, else the end of them all."""
    best, smallest, free = -1, 0, 0
    for other in sorted(others, key=_offset):
        gap = _offset(other) - free
        if gap >= span.nbytes and (best < 0 or gap < smallest):
            best, smallest = free, gap
        end = _offset(other) + other.nbytes
        free = max(free, -(-end // alignment) * alignment)
    return best if best >= 0 else free


def _offset(span: Span) -> int:
    assert span.offset is not None
    return span.offset
