"""Which way a convolution is computed: the rule, what is forced, and what cannot be planned as chosen."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cpu import choice, window, winograd
from caffe_sdk.engine.portable.filtering import Problem
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import new_tensor
from tests.engine.cpu.twins import agree, compiled, geometry, tensors

SAME = geometry((3, 3), pad=1)


def names(x, out, g=SAME):
    """The steps of a convolution and the gradient of its input, checked against the reference."""
    y = (x[0], out, *g.output_size(x[2:]))
    weight = (out, x[1] // g.group, *g.kernel)

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.convolution_grad_data(t["dy"], t["weight"], t["dx"], g)

    return agree({"x": x, "weight": weight, "y": y, "dy": y, "dx": x}, calls).names()


@pytest.mark.parametrize(
    ("channels", "side", "batch", "out", "pays"),
    [
        (64, 224, 1, 64, True),  # VGG-16 and its kin
        (512, 14, 1, 512, True),
        (512, 7, 1, 512, False),
        (512, 7, 8, 512, True),
        (256, 13, 1, 384, True),  # CaffeNet
        (160, 7, 1, 320, False),  # GoogLeNet
        (96, 14, 1, 208, True),
        (16, 3, 1, 64, False),
        (3, 224, 1, 64, False),  # too few channels for a block
        (20, 24, 8, 20, False),
    ],
)
def test_the_rule(channels, side, batch, out, pays):
    x, y = (batch, channels, side, side), (batch, out, side, side)
    assert winograd.pays(Problem.of(x, y, SAME)) is pays


@pytest.mark.parametrize(("side", "batch", "pays"), [(27, 10, True), (28, 1, True), (4, 1, False)])
def test_the_rule_for_five_taps(side, batch, pays):
    x, y = (batch, 32, side, side), (batch, 96, side, side)
    assert winograd.pays(Problem.of(x, y, geometry((5, 5), pad=2))) is pays


@pytest.mark.parametrize(
    ("channels", "side", "batch", "out", "g", "pays"),
    [
        (1024, 14, 1, 256, geometry((1, 1)), True),  # ResNet-50
        (64, 56, 1, 256, geometry((1, 1)), True),
        (1024, 14, 1, 512, geometry((1, 1), stride=2), True),
        (256, 56, 1, 128, geometry((1, 1), stride=2), True),
        (256, 112, 1, 128, geometry((1, 1), stride=2), False),
        (512, 7, 1, 512, SAME, True),
        (256, 14, 1, 256, SAME, False),
        (1024, 14, 16, 256, geometry((1, 1)), False),
        (128, 55, 1, 16, geometry((1, 1)), False),  # SqueezeNet
        (16, 55, 1, 64, geometry((1, 1)), False),
    ],
)
def test_the_rule_for_single_images(channels, side, batch, out, g, pays):
    x, y, weight = (
        new_tensor(shape)
        for shape in ((batch, channels, side, side), (batch, out, *g.output_size((side, side))), (out, channels, 1, 1))
    )
    work = Work("convolution", {"x": x, "y": y, "weight": weight, "geometry": g}, ())
    assert window.pays(window.problem_of(work)) is pays


def test_filters_that_change_each_time_cost():
    p = Problem.of((4, 512, 7, 7), (4, 512, 7, 7), SAME)
    assert winograd.pays(p)
    assert not winograd.pays(p, gradient=True)


def test_what_pays_is_chosen():
    assert all("winograd" in name for name in names((1, 64, 28, 28), 64) if "convolution" in name)
    assert not any("winograd" in name for name in names((1, 64, 3, 3), 64))


@pytest.mark.parametrize(("way", "count"), [("winograd", 2), ("direct", 0), ("", 2)])
def test_forced(way, count):
    with choice.forced(way):
        assert sum("winograd" in name for name in names((1, 64, 28, 28), 64)) == count


def test_the_loop_is_chosen_and_forced():
    def ways(x, out, g):
        return [name.split()[-1] for name in names(x, out, g) if "forward" in name]

    assert ways((1, 64, 7, 7), 64, SAME) == ["loop"]
    assert ways((1, 64, 28, 28), 64, SAME) == ["winograd"]
    with choice.forced("loop"):
        assert ways((1, 64, 28, 28), 64, SAME) == ["loop"]
        assert ways((2, 20, 5, 5), 16, SAME) != ["loop"]


@pytest.mark.parametrize("g", [geometry((3, 3), stride=2), geometry((7, 7), pad=3), geometry((3, 3), group=4)])
def test_what_cannot_be_planned_as_forced_is_planned_otherwise(g):
    with choice.forced("winograd"):
        assert not any("winograd" in name for name in names((1, 32, 9, 9), 32, g))


def test_in_place():
    t = tensors({"x": (1, 16, 9, 9), "weight": (16, 16, 3, 3)})
    with choice.forced("winograd"):
        program = compiled(lambda e, t: e.convolution(t["x"], t["weight"], None, t["x"], SAME), t)
    assert not any("winograd" in name for name in program.names())
