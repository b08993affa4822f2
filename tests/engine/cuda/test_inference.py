"""A convolution and what is done to its result become one step where nobody wants what is between."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16, FLOAT32
from caffe_sdk.engine.cuda.inference import arranged
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.memory import Tensor
from tests.engine.cuda.mocked import device, settings
from tests.engine.cuda.twins import get, put, simulated, tensors, usual

GEOMETRY = ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1), group=2)
SHAPES = {"x": (2, 6, 5, 4), "w": (8, 3, 3, 3), "t": (1,)}
SHAPES |= dict.fromkeys(("b", "d", "m", "v", "s", "h"), (8,))
SHAPES |= dict.fromkeys(("y", "n", "k", "z", "r", "a"), (2, 8, 5, 4))
POSITIVE = {"t": [2.0], "v": np.arange(1.0, 9.0)}
END = "a"
"""The one tensor that is wanted."""


def given():
    t = tensors(SHAPES)
    for name, values in POSITIVE.items():
        put(t[name], values)
    return t


def recorded(t, norm="norm scale", bias=True, residual=True, slope=0.0, in_place=True):
    """The calls of a convolution with all that may come behind it; where they leave the numbers that are wanted."""
    r, at = Recorder(), t["y"]
    r.convolution(t["x"], t["w"], t["b"] if bias else None, at, GEOMETRY)
    if "norm" in norm:
        to = at if in_place else t["n"]
        r.batch_norm_global(at, to, t["d"], t["m"], t["v"], t["t"], 1e-3)
        at = to
    if "scale" in norm:
        if in_place:
            r.copy(at, t["k"])
        to = at if in_place else t["z"]
        r.affine(at, t["s"], t["h"] if bias else None, to, 1)
        at = to
    if residual:
        r.add_all([t["r"], at], t["a"])
        at = t["a"]
    if slope is not None:
        r.relu(at, at, slope)
    if at is not t["a"]:
        r.copy(at, t["a"])
    return r.calls


def means(calls, t, *keep):
    lost = {tensor.memory for call in calls for tensor in call.writes()} - {t[name].memory for name in (END, *keep)}
    return [step.means for step in arranged(calls, lost)[0]]


def compiled(engine, t, **how):
    return engine.compile(recorded(t, **how), keep={t[END].memory})


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("norm", ["norm scale", "norm", "scale"])
def test_all_of_it_is_one_step(norm, in_place):
    t = given()
    assert means(recorded(t, norm, in_place=in_place), t) == ["finished_convolution"]
    assert means(recorded(t, norm, residual=False, in_place=in_place), t) == ["finished_convolution", "copy"]


def test_what_is_wanted_is_kept():
    t = given()
    assert means(recorded(t, in_place=False), t, "y") == [
        *("convolution", "batch_norm_global", "affine", "rectified_add_all")
    ]
    assert means(recorded(t, in_place=False), t, "n") == ["finished_convolution", "affine", "rectified_add_all"]
    assert means(recorded(t), t, "k") == ["finished_convolution", "copy", "affine", "rectified_add_all"]
    steps, foldings = arranged(recorded(t), frozenset())
    assert [step.means for step in steps] == ["convolution", "scaled_batch_norm_global", "rectified_add_all"]
    assert not foldings


def test_what_cannot_be_together_is_not():
    t = given()
    r = Recorder()
    r.scale(t["s"], t["s"], 2.0)  # what a weight would be made of is made here
    calls = [*r.calls, *recorded(t, "norm scale", residual=False)]
    assert means(calls, t) == ["scale", "convolution", "scaled_batch_norm_global", "copy"]
    r = Recorder()
    r.convolution(t["x"], t["w"], t["b"], t["y"], GEOMETRY)
    r.add_all([t["y"], t["a"]], t["a"])  # the sum comes to be where the residual is
    assert means(r.calls, t) == ["convolution", "add_all"]
    r = Recorder()
    r.convolution(t["x"], t["w"], t["b"], t["y"], GEOMETRY)
    r.relu(t["y"], t["y"], 0.0)
    r.batch_norm_global(t["y"], t["a"], t["d"], t["m"], t["v"], t["t"], 1e-3)
    assert means(r.calls, t) == ["finished_convolution", "batch_norm_global"]


ENGINES = {
    "float32": (FLOAT32, None, 2e-6),
    "float16": (FLOAT16, False, 4e-3),
    "float16 last": (FLOAT16, True, 4e-3),
    "bfloat16 last": (BFLOAT16, True, 3e-2),
}
each_kind = pytest.mark.parametrize("kind", ENGINES)


@each_kind
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("norm", ["norm scale", "norm", "scale", ""])
def test_the_numbers_are_those_of_one_after_the_other(norm, residual, in_place, kind):
    real, last, tolerance = ENGINES[kind]
    for bias in (True, False):
        for slope in (0.0, 0.2, None):
            how = {"norm": norm, "bias": bias, "residual": residual, "slope": slope, "in_place": in_place}
            expected, actual = given(), given()
            ReferenceEngine().compile(recorded(expected, **how)).run()
            program = compiled(usual(real, last), actual, **how)
            wanted = get(expected["a"])
            for _ in range(3):
                put(actual["a"], np.full(actual["a"].count, np.nan))
                program.run()
                assert np.abs(get(actual["a"]) - wanted).max() <= tolerance * np.abs(wanted).max(), how


@pytest.mark.parametrize("real", [FLOAT32, FLOAT16])
def test_cudnn_adds_what_there_is_to_add(real):
    settings()
    options = Options(precision=real)
    engine = CudaEngine(device(options=options), "cuda", options)
    for residual in (True, False):
        expected, actual = given(), given()
        ReferenceEngine().compile(recorded(expected, residual=residual)).run()
        program = compiled(engine, actual, residual=residual)
        for _ in range(3):
            program.run()
        wanted = get(expected["a"])
        assert np.abs(get(actual["a"]) - wanted).max() <= 4e-3 * np.abs(wanted).max()


def test_weights_are_made_again_when_what_they_are_made_of_changes():
    engine, t = simulated(), given()
    program, reference = compiled(engine, t), given()
    folds = []
    for name in (None, "w", "b", "m", "v", "t", "s", "h", "x", None):
        if name is not None:
            for some in (t, reference):
                put(some[name], 1.5 * get(some[name]))
        program.run()
        ReferenceEngine().compile(recorded(reference)).run()
        wanted = get(reference["a"])
        np.testing.assert_allclose(get(t["a"]), wanted, atol=2e-6 * np.abs(wanted).max())
        folds.append(engine.device.launches["fold"])
    assert folds == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]


def test_memory_that_ends_while_weights_are_made_names_the_layer():
    engine, t = simulated(), given()
    r = Recorder()
    r.where = "layer 'conv'"
    r.calls += [type(call)(call.operation, call.arguments, r.where) for call in recorded(t)]
    program = engine.compile(r.calls, keep={t[END].memory})
    engine.device.limit = 8
    with pytest.raises(Exception, match="layer 'conv': memory: "):
        program.run()
    engine.device.limit = 1 << 30
    program.run()
    assert np.isfinite(get(t["a"])).all()


def test_a_residual_that_lies_otherwise_is_added_for_itself():
    """A memory that is seen in two shapes cannot lie channels last as both want it."""
    shapes = {"x": (1, 4, 6, 6), "w": (6, 4, 1, 1), "v": (4, 6, 1, 1), "r": (1, 6, 6, 6), "y": (1, 4, 6, 9)}
    shapes |= {"a": (1, 4, 6, 9), "u": (4, 6, 1, 1), "q": (1, 6, 6, 9)}
    one = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))

    def calls(t):
        r = Recorder()
        r.convolution(t["x"], t["w"], None, t["r"], one)
        r.convolution(t["q"], t["u"], None, t["y"], one)
        r.add_all([t["y"], Tensor(t["r"].memory, (1, 4, 6, 9))], t["a"])
        r.relu(t["a"], t["a"], 0.0)
        return r.calls

    expected, actual = tensors(shapes), tensors(shapes)
    ReferenceEngine().compile(calls(expected)).run()
    program = usual(FLOAT16, True).compile(calls(actual), keep={actual["a"].memory})
    assert [step.means for step in program.steps()] == ["convolution", "convolution", "add_all", "relu"]
    for _ in range(3):
        program.run()
        np.testing.assert_allclose(get(actual["a"]), get(expected["a"]), atol=2e-2)
