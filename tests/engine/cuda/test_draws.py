"""Seats of draws: who draws finds where the generator stands, which goes on as if the host had drawn."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda.draws import SEAT, Draw, Seats, skip_halves, skip_wholes
from caffe_sdk.engine.cuda.structures import stream


def standing(rng):
    return bytes(stream(rng))


@pytest.mark.parametrize("count", [0, 1, 2, 5, 16])
@pytest.mark.parametrize("before", [0, 1])
def test_a_generator_goes_on_as_if_numbers_had_been_drawn(count, before):
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    for rng in (ours, theirs):
        rng.random(before, np.float32)
    for skip, dtype in ((skip_halves, np.float32), (skip_wholes, np.float64), (skip_halves, np.float32)):
        skip(ours, count)
        theirs.random(count, dtype)
        assert ours.random(3, np.float32).tolist() == theirs.random(3, np.float32).tolist()


def test_seats_are_filled_in_their_order_each_time_anew():
    rng, theirs, written = np.random.default_rng(5), np.random.default_rng(5), []
    seats = Seats(1000)
    assert [seats.take(Draw(rng, skip_wholes, count)) for count in (3, 4)] == [1000, 1000 + SEAT]
    for _ in range(2):
        seats.fill(lambda address, given: written.append((address, [bytes(one) for one in given])))
        expected = []
        for count in (3, 4):
            expected.append(standing(theirs))
            theirs.random(count)
        assert written.pop() == (1000, expected)
    Seats(0).fill(lambda address, given: written.append(given))
    assert not written
