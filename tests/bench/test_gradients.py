"""The benchmark of gradients' errors computes them."""

from __future__ import annotations

from tests.bench.gradients import errors_of


def test_errors_of_lenet():
    errors = errors_of("lenet", 2, ("rule", "portable", "reference"))
    assert errors.keys() == {"rule", "portable", "reference"}
    for each in errors.values():
        assert len(each) == 8
        assert 0 < each.max() < 1e-5
