"""Rewritings in their order: a block of a residual net, forward and backward."""

from __future__ import annotations

from caffe_sdk.engine.cpu.rewriting import rewritten
from caffe_sdk.engine.operation import Recorder
from tests.engine.cpu.twins import geometry, tensors

SAME = geometry((3, 3), pad=1)
SHAPE, CHANNELS = (2, 16, 6, 6), (16,)
SHAPES = {
    "w": (16, 16, 3, 3),
    "weight": (1,),
    **dict.fromkeys(["x", "y", "sum", "dx", "dy", "dsum", "dshortcut", "normalized", "before"], SHAPE),
    **dict.fromkeys(["scale", "shift", "dscale", "dshift", "deviation", "mean", "variance"], CHANNELS),
}


def forward(engine, t):
    engine.convolution(t["x"], t["w"], None, t["y"], SAME)
    statistics = (t[name] for name in ("normalized", "deviation", "mean", "variance", "weight"))
    engine.batch_norm(t["y"], t["y"], *statistics, 1e-3, 0.9)
    engine.copy(t["y"], t["before"])
    engine.affine(t["y"], t["scale"], t["shift"], t["y"], 1)
    engine.add_all([t["x"], t["y"]], t["sum"])
    engine.relu(t["sum"], t["sum"], 0.0)


def backward(engine, t):
    engine.relu_grad(t["sum"], t["dsum"], t["dsum"], 0.0)
    engine.copy(t["dsum"], t["dshortcut"])
    engine.copy(t["dsum"], t["dy"])
    engine.affine_grad_shift(t["dy"], t["dshift"], 1)
    engine.affine_grad_scale(t["before"], t["dy"], t["dscale"], 1)
    engine.affine_grad_data(t["dy"], t["scale"], t["dy"], 1)
    engine.batch_norm_grad(t["normalized"], t["deviation"], t["dy"], t["dy"])
    engine.convolution_grad_data(t["dy"], t["w"], t["dx"], SAME)
    engine.add_all([t["dx"], t["dshortcut"]], t["dx"])


def works(calls, lost=()):
    t = tensors(SHAPES)
    recorder = Recorder()
    calls(recorder, t)
    return t, rewritten(recorder.calls, {t[name].memory for name in lost})


def test_forward():
    t, found = works(forward)
    assert [work.name for work in found] == ["convolution", "batch_norm", "add_all"]
    convolution, norm, total = found
    assert convolution["y"].memory is norm["x"].memory is not t["y"].memory
    for name in ("y", "scale", "shift", "before"):
        assert norm[name].memory is t[name].memory
    assert total["relu"] == 0


def test_backward():
    t, found = works(backward)
    names = ["relu_grad", "copy", "batch_norm_grad", "convolution_grad_data", "add_all"]
    assert [work.name for work in found] == names
    assert (found[2]["dy"].memory, found[2]["dx"].memory) == (t["dsum"].memory, t["dy"].memory)
    assert found[2]["before"].memory is t["before"].memory


def test_backward_when_nobody_wants_the_gradients_in_between():
    _, found = works(backward, ["dshortcut"])
    assert [work.name for work in found] == ["relu_grad", "batch_norm_grad", "convolution_grad_data", "add_all"]
