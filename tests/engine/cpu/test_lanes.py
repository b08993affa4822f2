"""Images in lanes: pooled convolutions and inner products, against the reference, and when they are planned."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cpu import choice
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.threads import set_num_threads
from tests.engine.cpu import lenet
from tests.engine.cpu.twins import agree, geometry

HALF = PoolingGeometry((2, 2), (2, 2), (0, 0))
FIVE, THREE = geometry((5, 5)), geometry((3, 3))
IN_LANES = "convolution_forward lanes"
SHAPES = {
    "one channel": ((32, 1, 12, 12), 20, FIVE),
    "many filters": ((16, 20, 8, 8), 51, FIVE),
    "a batch that fills no vector": ((100, 3, 6, 6), 5, THREE),
    "steps": ((16, 2, 9, 12), 3, geometry((3, 2), stride=(2, 3))),
    "holes": ((16, 2, 10, 9), 3, geometry((3, 2), dilation=(2, 3))),
    "an oblong image": ((48, 3, 4, 9), 4, geometry((1, 2))),
}
OTHERS = {
    "one image": ((1, 1, 12, 12), 20, FIVE, HALF),
    "lanes all busy": ((16, 16, 6, 6), 32, THREE, HALF),
    "padding": ((16, 1, 8, 8), 20, geometry((3, 3), pad=1), HALF),
    "groups": ((16, 2, 8, 8), 4, geometry((3, 3), group=2), HALF),
    "windows that overlap": ((16, 1, 7, 7), 20, THREE, PoolingGeometry((3, 3), (2, 2), (0, 0))),
    "windows cut off": ((16, 1, 7, 7), 20, THREE, HALF),
    "large images": ((16, 1, 258, 258), 4, THREE, HALF),
}


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """So many threads."""
    set_num_threads(request.param)


def sizes(x, out, g, pool=HALF):
    y = (x[0], out, *g.output_size(x[2:]))
    pooled = (*y[:2], *pool.output_size(y[2:]))
    return {"x": x, "weight": (out, x[1] // g.group, *g.kernel), "bias": (out,), "y": y, "pooled": pooled}


def convolve(engine, t, g, pool=HALF, relu=None, bias=True):
    engine.convolution(t["x"], t["weight"], t["bias"] if bias else None, t["y"], g)
    if relu is not None:
        engine.relu(t["y"], t["y"], relu)
    engine.max_pool(t["y"], t["pooled"], None, pool)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("case", SHAPES)
def test_convolution_and_pool(case):
    x, out, g = SHAPES[case]
    program = agree(sizes(x, out, g), lambda e, t: convolve(e, t, g), keep=["pooled"])
    assert IN_LANES in program.names()


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_computed_otherwise(case):
    x, out, g, pool = OTHERS[case]
    program = agree(sizes(x, out, g, pool), lambda e, t: convolve(e, t, g, pool), keep=["pooled"], runs=1)
    assert IN_LANES not in program.names()


@pytest.mark.parametrize(("slope", "in_lanes"), [(0.0, True), (0.5, True), (-0.5, False)])
def test_a_relu_keeps_the_order_or_is_computed_before(slope, in_lanes):
    shapes = sizes((16, 2, 8, 8), 5, FIVE)
    program = agree(shapes, lambda e, t: convolve(e, t, FIVE, relu=slope, bias=False), keep=["pooled"])
    assert (IN_LANES in program.names()) == in_lanes


def test_who_wants_more_than_the_maximum_gets_it():
    x, out, g = SHAPES["one channel"]
    program = agree(sizes(x, out, g), lambda e, t: convolve(e, t, g), keep=["y", "pooled"])
    assert IN_LANES not in program.names()


def test_another_way_can_be_asked_for():
    x, out, g = SHAPES["one channel"]
    with choice.forced("direct"):
        program = agree(sizes(x, out, g), lambda e, t: convolve(e, t, g), keep=["pooled"])
    assert IN_LANES not in program.names()


def test_what_is_in_lanes_already_is_taken_as_it_is():
    first, second = sizes((16, 1, 16, 16), 5, FIVE), sizes((16, 5, 6, 6), 7, THREE)
    shapes = first | {f"{name}2": shape for name, shape in second.items() if name != "x"}

    def calls(engine, t):
        convolve(engine, t, FIVE)
        convolve(engine, {"x": t["pooled"], **{name: t[f"{name}2"] for name in second if name != "x"}}, THREE)

    names = agree(shapes, calls, keep=["pooled2"]).names()
    assert names[1:] == [IN_LANES] * 2


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("images", "rows"), [(32, 30), (48, 9), (100, 23)])
def test_inner_product(images, rows):
    shapes = sizes((images, 1, 8, 8), 5, FIVE) | {"matrix": (rows, 20), "shift": (rows,), "z": (images, rows)}

    def calls(engine, t):
        convolve(engine, t, FIVE)
        engine.inner_product(t["pooled"].reshaped(images, 20), t["matrix"], t["shift"], t["z"], False)
        engine.relu(t["z"], t["z"], 0.25)

    assert agree(shapes, calls, keep=["z"]).names()[-1] == "inner_product_forward lanes"


@pytest.mark.parametrize(("images", "transpose"), [(16, False), (32, True)])
def test_other_inner_products_are_left_to_onednn(images, transpose):
    matrix = (20, 30) if transpose else (30, 20)
    shapes = sizes((images, 1, 8, 8), 5, FIVE) | {"matrix": matrix, "z": (images, 30)}

    def calls(engine, t):
        convolve(engine, t, FIVE)
        engine.inner_product(t["pooled"].reshaped(images, 20), t["matrix"], None, t["z"], transpose)

    names = agree(shapes, calls, keep=["z"]).names()
    assert IN_LANES in names
    assert "lanes" not in names[-1]


@pytest.mark.usefixtures("threads")
def test_lenet_stays_in_lanes_up_to_its_scores():
    def calls(engine, t):
        lenet.classify(engine, {**t, "mask1": None, "mask2": None})

    program = agree(lenet.shapes(32), calls, keep=["prob"], runs=1)
    lanes = [name for name in program.names() if name.endswith("lanes")]
    assert lanes == [IN_LANES] * 2 + ["inner_product_forward lanes"] * 2
    assert not any("ref" in name for name in program.names())
