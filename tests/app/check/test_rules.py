"""Each rule finds the mistake it is for, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_sdk.app.check import RULES, WARNING, Report, Subject, check, rule
from caffe_sdk.app.check.rules import Found
from tests.app.check.models import CONV, DATA, FC, FILLER, GOOD, LOSS, RELU

NORM = 'layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }'
SCALE = 'layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }'
SOFTMAX = 'layer { name: "softmax" type: "Softmax" bottom: "fc" top: "p" }'
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report(text: str, phase: str = "") -> Report:
    Path("net.prototxt").write_text(text)
    return check("net.prototxt", phase)


def found(text: str, phase: str = "") -> list[tuple[str, str, str]]:
    """Rule, layer and severity of what is found in a net."""
    result = report(text, phase)
    assert not result.errors
    return [(e.finding.rule, e.finding.layer, e.finding.severity) for e in result.entries]


def test_a_good_net_is_clean() -> None:
    assert found(GOOD) == []
    assert report(GOOD).exit_status == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DATA + CONV + NORM + RELU + FC + LOSS, [("batch_norm_without_scale", "norm", "warning")]),
        (DATA + CONV + NORM + SCALE + RELU + FC + LOSS, []),
        (DATA + CONV + NORM + FC + LOSS, []),
        (
            DATA + CONV + NORM[:-1] + "batch_norm_param { use_global_stats: true } }" + SCALE + FC + LOSS,
            [("frozen_statistics", "norm", "warning")],
        ),
        (
            GOOD + FC.replace('"fc"', '"more"'),
            [("unused_blob", "more", "warning"), ("nothing_learns", "more", "warning")],
        ),
        (GOOD + 'layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" }', []),
        (GOOD.replace('top: "loss"', 'top: "loss" top: "prob"'), []),
        (
            'layer { name: "more" type: "DummyData" top: "more" dummy_data_param { shape { dim: 1 } } }' + GOOD,
            [("unused_blob", "more", "warning")],
        ),
        (
            GOOD.replace('top: "loss"', 'top: "loss" loss_weight: 0'),
            [("loss_without_weight", "loss", "hint"), ("no_loss", "", "warning")],
        ),
        (DATA + CONV + FC + SOFTMAX + LOSS.replace('"fc"', '"p"'), [("softmax_twice", "loss", "warning")]),
        (
            DATA
            + CONV
            + FC
            + SOFTMAX
            + 'layer { name: "flat" type: "Flatten" bottom: "p" top: "q" }'
            + LOSS.replace('"fc"', '"q"'),
            [("softmax_twice", "loss", "warning")],
        ),
        (
            DATA
            + (CONV + FC)
            .replace("convolution_param", FROZEN + "convolution_param")
            .replace("inner_product_param", FROZEN + "inner_product_param")
            + LOSS,
            [("nothing_learns", "", "warning")],
        ),
        (GOOD.replace(FILLER, "", 1), [("missing_filler", "conv", "warning")]),
        (GOOD.replace(FILLER, "weight_filler { value: 1 }", 1), []),
        (GOOD.replace("num_output: 5", "num_output: 1"), [("labels", "loss", "warning")]),
    ],
)
def test_in_training(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert found(text) == expected


INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INPUT + CONV, [("no_loss", "", "hint")]),
        ("force_backward: true " + INPUT + CONV, []),
        (INPUT + CONV + RELU.replace("}", "propagate_down: true }"), [("no_loss", "relu", "warning")]),
        (
            "force_backward: true "
            + INPUT
            + CONV
            + NORM[:-1]
            + "batch_norm_param { use_global_stats: false } }"
            + SCALE,
            [("frozen_statistics", "norm", "warning")],
        ),
    ],
)
def test_for_deployment(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert found(text) == expected


def test_a_net_without_a_loss_does_not_train() -> None:
    assert ("no_loss", "", "warning") in found(DATA + CONV, "TRAIN")


def test_shared_weights_need_one_filler() -> None:
    def shared(name: str, filler: str) -> str:
        return FC.replace('"fc"', f'"{name}"').replace(FILLER, filler).replace("inner_", 'param { name: "w" } inner_')

    both = 'layer { name: "both" type: "Eltwise" bottom: "a" bottom: "b" top: "fc" }'
    assert found(DATA + CONV + shared("a", FILLER) + shared("b", "") + both + LOSS) == []


def test_words_say_what_to_do() -> None:
    result = report(DATA + CONV + FC + SOFTMAX + LOSS.replace('"fc"', '"p"'))
    (line,) = result.lines()
    assert line == (
        "net.prototxt:10: warning (TRAIN): layer 'loss': applies the softmax itself, and 'softmax' has applied it "
        "already; take the bottom of 'softmax' instead of its top [softmax_twice]"
    )
    assert result.exit_status == 1


def test_alike_findings_share_a_line() -> None:
    convolutions = "".join(CONV.replace('"conv"', f'"c{i}"').replace(FILLER, "") for i in range(5))
    bottoms = " ".join(f'bottom: "c{i}"' for i in range(5))
    add = f'layer {{ name: "add" type: "Eltwise" {bottoms} top: "conv" }}'
    (line,) = report(DATA + convolutions + add + FC + LOSS).lines()
    assert "layers 'c0', 'c1', 'c2' and 2 more: weights begin as zeros" in line


def test_a_rule_of_ones_own() -> None:
    @rule("no_relu")
    def no_relu(subject: Subject) -> Found:
        for _, layer in subject.of_type("ReLU"):
            yield layer.name, "is a ReLU", "use another", WARNING

    try:
        assert found(GOOD) == [("no_relu", "relu", "warning")]
    finally:
        del RULES["no_relu"]
