"""Random numbers in programs that are replayed.

Where a generator stands is known at the host alone, and whoever draws from it there moves it on. A kernel that draws
reads it from a *seat* in the device's memory. Before a replay a launch puts it into the seat of every draw, and the
generator goes on as if the host had drawn: so both are in step, whoever draws in between.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from caffe_sdk.engine.cuda.structures import Stream, stream

SEAT = ctypes.sizeof(Stream)
"""Bytes."""

Skip = Callable[[np.random.Generator, int], None]
"""Moves a generator on as if so many numbers had been drawn."""


@dataclass(frozen=True)
class Draw:
    """So many numbers that a kernel draws."""

    generator: np.random.Generator
    skip: Skip
    count: int

    def begin(self) -> Stream:
        """Where the generator stands. It goes on to where it will stand afterwards."""
        begin = stream(self.generator)
        self.skip(self.generator, self.count)
        return begin


class Seats:
    """The seats of one program's draws, from an address on, in the order they are taken."""

    def __init__(self, address: int) -> None:
        self._address = address
        self.draws: list[Draw] = []

    def take(self, draw: Draw) -> int:
        """The address of the next seat."""
        self.draws.append(draw)
        return self._address + (len(self.draws) - 1) * SEAT

    def fill(self, put: Callable[[int, Sequence[Stream]], None]) -> None:
        """Put into every seat where its generator will stand then, by a function that writes them to an address."""
        if self.draws:
            put(self._address, [draw.begin() for draw in self.draws])


def skip_halves(generator: np.random.Generator, count: int) -> None:
    """Go on as if so many numbers of 32 bits had been drawn, two of which are one of 64."""
    bits: np.random.PCG64 = generator.bit_generator  # type: ignore[assignment]
    state = bits.state
    left = count - state["has_uint32"]
    if left < 0:
        return  # nothing was drawn, for count is 0
    half = state["uinteger"]
    if left:
        bits.advance((left + 1) // 2 - 1)
        half = int(bits.random_raw()) >> 32
    state = bits.state
    state["has_uint32"], state["uinteger"] = left % 2, half if left % 2 else 0
    bits.state = state


def skip_wholes(generator: np.random.Generator, count: int) -> None:
    """Go on as if so many numbers of 64 bits had been drawn; half of one that is left over stays."""
    bits: np.random.PCG64 = generator.bit_generator  # type: ignore[assignment]
    before = bits.state
    bits.advance(count)
    bits.state = {**bits.state, "has_uint32": before["has_uint32"], "uinteger": before["uinteger"]}
