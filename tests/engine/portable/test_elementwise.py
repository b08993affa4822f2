"""Several tensors value by value, against the reference's."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.portable.loops import maximum
from tests.engine.portable.twins import agree

X = (3, 5, 7)
SHAPES = dict.fromkeys(("a", "b", "c", "y", "dy", "dx"), X) | {"mask": X}


@pytest.mark.parametrize("names", ["a", "ab", "abc", "aab"])
@pytest.mark.parametrize("target", ["y", "a", "b", "c"])
def test_sums_products_and_the_largest(names, target):
    """Into a tensor of its own, and into each of those that are put together."""
    for call in ("add_all", "product", "weighted_sum", "maximum"):

        def calls(engine, t, call=call):
            xs = [t[name] for name in names]
            more = {"weighted_sum": [[0.5, -2.0, 3.0][: len(xs)]], "maximum": [t["mask"]]}.get(call, [])
            getattr(engine, call)(xs, t[target], *more)

        agree(SHAPES, calls)


def test_gradients_and_scale():
    def calls(engine, t):
        engine.maximum([t["a"], t["b"], t["c"]], t["y"], t["mask"])
        engine.maximum_grad(t["mask"], t["dy"], t["dx"], 1)
        engine.scale(t["a"], t["a"], 0.3)

    agree(SHAPES, calls)


def test_loops_have_the_reference_s_ties(rng):
    first = rng.standard_normal(10).astype("f")
    y, mask = first.copy(), rng.integers(5, 9, 10).astype("i")
    maximum.maximum_of_two(first, first, y, mask)
    assert (mask == 1).all()
    maximum.maximum_with(first, y, mask, 2)
    assert (mask == 1).all()
