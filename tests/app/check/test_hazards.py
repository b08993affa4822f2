"""In-place hazards are found from what layers read and write, whatever their types."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.app.check import check
from tests.app.check.models import CONV, DATA, FC, LOSS, RELU


def unary(name: str, kind: str, bottom: str, top: str, more: str = "") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {more} }}'


def hazards(middle: str, tmp_path: Path) -> list[tuple[str, str]]:
    path = tmp_path / "net.prototxt"
    path.write_text(DATA + CONV + middle + FC + LOSS)
    result = check(path)
    assert not result.errors
    return [(e.finding.layer, e.finding.what) for e in result.entries if e.finding.rule == "in_place"]


@pytest.mark.parametrize(
    "middle",
    [
        RELU,
        unary("norm", "BatchNorm", "conv", "conv") + unary("scale", "Scale", "conv", "conv") + RELU,
        RELU + unary("drop", "Dropout", "conv", "conv"),
        unary("sigmoid", "Sigmoid", "conv", "conv"),
        unary("abs", "AbsVal", "conv", "conv"),
        unary("log", "Log", "conv", "conv", "log_param { shift: 10 }"),
    ],
)
def test_what_is_safe(middle: str, tmp_path: Path) -> None:
    assert hazards(middle, tmp_path) == []


@pytest.mark.parametrize("kind", ["Sigmoid", "TanH", "Softmax"])
def test_a_gradient_from_a_top_that_was_changed(kind: str, tmp_path: Path) -> None:
    middle = unary("first", kind, "conv", "x") + unary("drop", "Dropout", "x", "x")
    (found,) = hazards(middle + unary("sum", "Reduction", "x", "sum", "loss_weight: 1"), tmp_path)
    assert found == ("drop", "changes 'x' in place, and 'first' needs the earlier values for its gradient")


def test_values_changed_under_another_name(tmp_path: Path) -> None:
    middle = (
        unary("flat", "Flatten", "conv", "flat")
        + unary("relu", "ReLU", "flat", "flat")
        + unary("sum", "Reduction", "flat", "sum", "loss_weight: 1")
    )
    assert ("relu", "changes 'conv_conv_0_split_1' in place, which 'fc' reads afterwards") in hazards(middle, tmp_path)
