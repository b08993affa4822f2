"""Which neighbours become one piece of work, and that nobody can tell."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.cpu import choice
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.memory import HOST
from tests.engine.cpu.twins import agree, left_to_reference

SAME = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))
CONVOLUTION = {"x": (2, 20, 6, 6), "weight": (20, 20, 3, 3), "bias": (20,), "y": (2, 20, 6, 6)}


STATISTICS = ("mean", "variance", "weights")
BLOCK = {
    **CONVOLUTION,
    **dict.fromkeys(["mean", "variance", "deviation", "scale", "shift"], (20,)),
    "weights": (1,),
    **dict.fromkeys(["copy", "residual", "total"], (2, 20, 6, 6)),
    "next": (16, 20, 3, 3),
    "out": (2, 16, 6, 6),
}
"""What a block of a residual net works on; the next convolution reads what is padded too."""


@pytest.fixture(params=["direct", "winograd", "loop"])
def way(request):
    """Convolutions are computed this way."""
    with choice.forced(request.param):
        yield request.param


def normalize(engine, t, bias=True):
    """A convolution, normalized by statistics that stand."""
    for name in ("variance", "weights"):
        numbers = t[name].memory.read(HOST)
        if numbers.min() < 0:
            t[name].memory.update(HOST)[...] = abs(numbers) + 0.1
    engine.convolution(t["x"], t["weight"], t["bias"] if bias else None, t["y"], SAME)
    engine.batch_norm_global(t["y"], t["y"], t["deviation"], *(t[name] for name in STATISTICS), 1e-3)


def scale(engine, t):
    """What a Scale layer in place does, which keeps its input for the gradient."""
    engine.copy(t["y"], t["copy"])
    engine.affine(t["y"], t["scale"], t["shift"], t["y"], 1)


def convolve(engine, t):
    engine.convolution(t["x"], t["weight"], t["bias"], t["y"], SAME)


@pytest.mark.parametrize("slope", [0.0, 0.25, -0.5])
@pytest.mark.parametrize("layer", ["convolution", "inner_product"])
def test_relu_in_place_is_fused(layer, slope):
    shapes = {**CONVOLUTION, "matrix": (6, 20), "square": (20, 20), "z": (6, 20), "dz": (6, 20)}

    def calls(engine, t):
        y = t["y"] if layer == "convolution" else t["z"]
        if layer == "convolution":
            convolve(engine, t)
        else:
            engine.inner_product(t["matrix"], t["square"], t["bias"], y, False)
        engine.relu(y, y, slope)

    assert len(agree(shapes, calls).names()) == 1


@pytest.mark.parametrize("terms", [2, 3])
def test_relu_of_a_sum(terms):
    def calls(engine, t):
        engine.add_all([t[name] for name in "abc"[:terms]], t["y"])
        engine.relu(t["y"], t["y"], 0.0)

    assert len(agree(dict.fromkeys("abcy", (2, 3, 4)), calls).names()) == 1


def test_gradients_of_two_prelus_are_not_one():
    def calls(engine, t):
        engine.prelu_grad_slope(t["x"], t["dy"], t["dslope"])
        engine.prelu_grad_data(t["y"], t["slope"], t["dy"], t["dx"])

    shapes = {**dict.fromkeys(["x", "y", "dy", "dx"], (2, 5)), "slope": (5,), "dslope": (5,)}
    program = agree(shapes, calls)
    assert sum("prelu_backward" in name for name in program.names()) == 2


def test_relu_is_fused_over_work_elsewhere():
    def calls(engine, t):
        convolve(engine, t)
        engine.copy(t["a"], t["b"])
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({**CONVOLUTION, "a": (5,), "b": (5,)}, calls)
    assert not any("eltwise" in name for name in program.names())


@pytest.mark.parametrize("between", ["reads", "writes"])
def test_relu_is_not_fused_when_somebody_looks_before(between):
    def calls(engine, t):
        convolve(engine, t)
        pair = (t["y"], t["z"]) if between == "reads" else (t["z"], t["y"])
        engine.copy(*pair)
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)
    assert any("eltwise" in name for name in program.names())


def test_relu_into_another_blob_is_not_fused():
    def calls(engine, t):
        convolve(engine, t)
        engine.relu(t["y"], t["z"], 0.0)

    agree({**CONVOLUTION, "z": (2, 20, 6, 6)}, calls)


def test_what_cannot_be_planned_fused_is_done_apart():
    g = ConvolutionGeometry((2,) * 4, (1,) * 4, (0,) * 4, (1,) * 4)

    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["y"], g)
        engine.relu(t["y"], t["y"], 0.0)

    program = agree({"x": (1, 2, 3, 3, 3, 3), "weight": (2, 2, 2, 2, 2, 2), "y": (1, 2, 2, 2, 2, 2)}, calls)
    assert left_to_reference(program) == ["convolution"]
    assert len(program.names()) == 2


# -- normalization and residuals ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("slope", [None, 0.0, 0.25])
def test_a_convolution_normalizes_scales_and_rectifies(bias, slope):
    def calls(engine, t):
        normalize(engine, t, bias)
        scale(engine, t)
        if slope is not None:
            engine.relu(t["y"], t["y"], slope)
        engine.convolution(t["y"], t["next"], None, t["out"], SAME)

    program = agree(BLOCK, calls, keep=["y", "out", "deviation"])
    assert [name.split()[0] for name in program.names() if "reorder" not in name] == [
        "loop",
        *["convolution_forward"] * 2,
    ]


@pytest.mark.usefixtures("way")
def test_a_normalization_in_place_is_fused_even_where_everything_is_kept():
    program = agree(BLOCK, normalize)
    assert not any("batch_normalization" in name for name in program.names())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("coefficients", ["both", "scale", "shift"])
def test_a_convolution_scales(coefficients):
    def calls(engine, t):
        convolve(engine, t)
        scale, shift = (t[name] if coefficients in ("both", name) else None for name in ("scale", "shift"))
        engine.affine(t["y"], scale, shift, t["y"], 1)

    program = agree(BLOCK, calls)
    assert not any("batch_normalization" in name for name in program.names())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_convolution_adds_a_residual(norm, first):
    def calls(engine, t):
        normalize(engine, t) if norm else convolve(engine, t)
        terms = [t["y"], t["residual"]]
        engine.add_all(terms if first else terms[::-1], t["total"])
        engine.relu(t["total"], t["total"], 0.0)
        engine.convolution(t["total"], t["next"], None, t["out"], SAME)

    program = agree(BLOCK, calls, keep=["total", "out"])
    assert not any(name.startswith(("binary", "eltwise", "batch")) for name in program.names())
    assert any(name.startswith("binary") for name in agree(BLOCK, calls).names())


@pytest.mark.usefixtures("way")
def test_a_residual_that_is_overwritten_is_added_by_itself():
    def calls(engine, t):
        convolve(engine, t)
        engine.add_all([t["y"], t["residual"]], t["residual"])

    program = agree(BLOCK, calls, keep=["residual"])
    assert sum(name.startswith("binary") for name in program.names()) == 1


def test_of_two_convolutions_that_are_added_the_last_adds():
    def calls(engine, t):
        engine.convolution(t["x"], t["weight"], None, t["residual"], SAME)
        engine.convolution(t["x"], t["weight"], t["bias"], t["y"], SAME)
        engine.add_all([t["residual"], t["y"]], t["total"])

    program = agree(BLOCK, calls, keep=["total"])
    assert sum(name.startswith("convolution") for name in program.names()) == 2
    assert not any(name.startswith("binary") for name in program.names())


def test_twice_the_same_is_no_residual():
    def calls(engine, t):
        convolve(engine, t)
        engine.add_all([t["y"], t["y"]], t["total"])

    agree(BLOCK, calls, keep=["total"])


def test_coefficients_that_change_are_followed():
    def calls(engine, t):
        normalize(engine, t)
        scale(engine, t)
        engine.scale(t["scale"], t["scale"], 1.5)

    program = agree(BLOCK, calls, runs=3, keep=["y", "scale"])
    assert not any("batch_normalization" in name for name in program.names())
