"""How oneDNN computes softmax and its gradient."""

from __future__ import annotations

from caffe_sdk.engine.cpu.descriptors import Descriptor, plain
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import DIFF_DST, DIFF_SRC, DST, FORWARD_TRAINING, SRC, PrimitiveDescriptor
from caffe_sdk.engine.work import Work

ACCURATE = 0x30000  # dnnl_softmax_accurate


def softmax(plan: Plan, work: Work) -> None:
    """y = exp(x) / sum over the axis of exp(x), of numbers in plain order if oneDNN is not quick with another."""
    x, y = work["x"], work["y"]
    layout = plan.shaped(x)
    if _forward(layout, work["axis"]).implementation.startswith("ref"):
        layout = plain(x.shape)
    plan.execute(_forward(layout, work["axis"]), {SRC: plan.read(x, layout), DST: plan.write(y, layout)})


def softmax_grad(plan: Plan, work: Work) -> None:
    """dx = y (dy - sum over the axis of dy y)."""
    y, dy, dx, axis = work["y"], work["dy"], work["dx"], work["axis"]
    layout = plan.shaped(y)
    forward = _forward(layout, axis)
    computation = PrimitiveDescriptor("softmax_backward", ACCURATE, layout, layout, layout, axis, forward)
    operands = {DST: plan.read(y, layout), DIFF_DST: plan.read(dy, layout), DIFF_SRC: plan.write(dx, layout)}
    plan.execute(computation, operands)


def _forward(layout: Descriptor, axis: int) -> PrimitiveDescriptor:
    return PrimitiveDescriptor("softmax_forward", FORWARD_TRAINING, ACCURATE, layout, layout, axis)
