"""Random choices that depend on a seed and a record's number only.

Each is a hash of (seed, index, purpose), not the next number of a generator. So a record is cropped and mirrored the
same way whichever thread, process or rank handles it, and a resumed run sees exactly what the uninterrupted one would
have seen.
"""

from __future__ import annotations

import numpy as np

TOP, LEFT, MIRROR, SKIP, PURPOSES = range(5)

_BITS = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    """The output function of splitmix64 (Steele, Lea and Flood, 2014)."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _BITS
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _BITS
    return value ^ value >> 31


def below(count: int, seed: int, index: int, purpose: int) -> int:
    """A number from 0 to ``count`` - 1, all equally likely, for one purpose at record ``index`` of the stream."""
    start = _mix((seed + _GAMMA) & _BITS)
    return _mix((start + _GAMMA * (index * PURPOSES + purpose + 1)) & _BITS) * count >> 64


def generator(seed: int, index: int) -> np.random.Generator:
    """A generator of its own for record ``index``, for purposes that need many numbers."""
    return np.random.default_rng([seed & _BITS, index])
