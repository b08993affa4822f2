"""Random choices by seed and index: repeatable, in range, even, and without relation to each other."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.data.draws import _GAMMA, LEFT, MIRROR, TOP, _mix, below


def test_depends_on_nothing_but_its_arguments() -> None:
    assert [below(1000, 7, i, TOP) for i in range(4)] == [below(1000, 7, i, TOP) for i in range(4)]


def test_the_hash_is_splitmix64_and_stays_as_it_is() -> None:
    """The first two outputs of splitmix64 from state 0; and a draw of ours, on which resuming old snapshots relies."""
    assert [_mix(_GAMMA), _mix(2 * _GAMMA % 2**64)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    assert below(2**62, 7, 0, TOP) == 3327369188676924305


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63, 2**64 + 5])
def test_even_and_in_range(seed: int) -> None:
    drawn = np.bincount([below(10, seed, i, LEFT) for i in range(5000)], minlength=10)
    assert len(drawn) == 10
    assert drawn.min() > 400
    assert drawn.max() < 600


def test_seeds_indices_and_purposes_are_unrelated() -> None:
    def flips(seed: int, purpose: int, offset: int = 0) -> np.ndarray:
        return np.array([below(2, seed, i + offset, purpose) for i in range(4000)])

    base = flips(3, MIRROR)
    for other in (flips(4, MIRROR), flips(3, TOP), flips(3, MIRROR, 1)):
        assert abs((base == other).mean() - 0.5) < 0.04
