"""Which engines scale gradients: those that store them in few bits."""

from __future__ import annotations

import pytest

from caffe_sdk.engine import select
from caffe_sdk.engine.scaling import LossScale


@pytest.mark.parametrize("name", ["reference", "cpu", "portable", "fake", "simulated", "simulated:bfloat16"])
def test_most_have_no_scale_and_update_always(name: str) -> None:
    assert select(name).loss_scale() is None
    with select(name).together(None):
        pass


def test_trainings_have_scales_of_their_own() -> None:
    engine = select("simulated:float16")
    first, second = engine.loss_scale(), engine.loss_scale()
    assert first is not None
    assert second is not None
    assert first is not second
    members = {name for name in vars(LossScale) if not name.startswith("_")} | set(LossScale.__annotations__)
    assert [name for name in members if not hasattr(first, name)] == []
