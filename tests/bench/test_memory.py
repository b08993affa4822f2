"""The benchmark of memory measures a net in a process of its own."""

from __future__ import annotations

import sys

import pytest

from tests.bench.memory import SMALL, taken


@pytest.mark.skipif(sys.platform != "linux", reason="the system is asked as Linux wants it")
def test_what_lenet_takes() -> None:
    found = taken(
        "lenet",
        1,
        SMALL[: SMALL.index('layer { name: "a"')] + SMALL[SMALL.index('layer { name: "g"') :].replace('"f"', '"data"'),
    )
    assert found["weights"] == 4 * (20 * 25 + 20 + 50 * 20 * 25 + 50 + 500 * 800 + 500 + 10 * 500 + 10)
    assert found["planned"] > found["weights"]
    assert 0 < found["most"] < 100e6
