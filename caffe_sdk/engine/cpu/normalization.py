"""How oneDNN normalizes by neighbours (LRN).

Its gradient wants no scale but a workspace of its own, which the forward pass makes anew in a hundredth of what a
convolution takes. So nobody computes the scale: it is at a place that computes it when somebody looks.
"""

from __future__ import annotations

from typing import Any

from caffe_sdk.engine.cpu.descriptors import Descriptor
from caffe_sdk.engine.cpu.layouts import Promise
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    DIFF_DST,
    DIFF_SRC,
    DST,
    FORWARD_INFERENCE,
    FORWARD_TRAINING,
    SRC,
    WORKSPACE,
    PrimitiveDescriptor,
)
from caffe_sdk.engine.reference.normalization import Normalization
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import HOST, Array, Tensor, new_tensor

NEIGHBOURHOOD = ("size", "alpha", "beta", "k", "within")
ACROSS, WITHIN = 0xAFF, 0xBFF  # dnnl_lrn_across_channels, dnnl_lrn_within_channel


class ScaleOfInput(Promise):
    """Where the scale of an LRN is: nowhere, but it can be had from the input, which its gradient needs unchanged."""

    name = "onednn-scale"

    def __init__(self, x: Tensor, neighbourhood: dict[str, Any]) -> None:
        self.x, self.neighbourhood = x, neighbourhood

    def to_host(self, buffer: Array, host: Array) -> None:
        """The scale as the reference computes it."""
        y, scale = new_tensor(self.x.shape), new_tensor(self.x.shape)
        Normalization().lrn(self.x, y, scale, **self.neighbourhood)
        host[...] = scale.memory.read(HOST)


def lrn(plan: Plan, work: Work) -> None:
    """y = x / scale^beta, where oneDNN is quick at the gradient too: else that would have to compute the scale."""
    x, y, scale = work["x"], work["y"], work["scale"]
    if x.memory is y.memory:
        raise Unsupported("oneDNN", "an LRN in place, of whose scale nothing would be left")
    neighbourhood = {name: work[name] for name in NEIGHBOURHOOD}
    layout = plan.shaped(x)
    computation = _forward(FORWARD_INFERENCE, layout, neighbourhood)
    if scale is not None:
        _backward(layout, neighbourhood, _forward(FORWARD_TRAINING, layout, neighbourhood))
    plan.execute(computation, {SRC: plan.read(x, layout), DST: plan.write(y, computation.layout(DST))})
    if scale is not None:
        plan.promise(scale, ScaleOfInput(x, neighbourhood))


def lrn_grad(plan: Plan, work: Work) -> None:
    """dx = dy / scale^beta - 2 alpha beta / n * x * sum of dy y / scale over the neighbourhood."""
    x, scale, dy, dx = work["x"], work["scale"], work["dy"], work["dx"]
    place = plan.place(scale.memory)
    if not isinstance(place, ScaleOfInput) or place.x.memory is not x.memory:
        raise Unsupported("oneDNN", "a scale that is not of this input")
    layout = plan.shaped(x)
    forward = _forward(FORWARD_TRAINING, layout, place.neighbourhood)
    backward = _backward(layout, place.neighbourhood, forward)
    source, gradient = plan.read(x, layout), plan.read(dy, layout)
    workspace = plan.room(forward.layout(WORKSPACE))
    plan.execute(forward, {SRC: source, DST: plan.room(layout), WORKSPACE: workspace})
    operands = {SRC: source, DIFF_DST: gradient, WORKSPACE: workspace, DIFF_SRC: plan.write(dx, layout)}
    plan.execute(backward, operands)


def _forward(phase: int, layout: Descriptor, neighbourhood: dict[str, Any]) -> PrimitiveDescriptor:
    return PrimitiveDescriptor("lrn_forward", phase, *_kind(neighbourhood, (layout, layout))).checked()


def _backward(layout: Descriptor, neighbourhood: dict[str, Any], forward: PrimitiveDescriptor) -> PrimitiveDescriptor:
    return PrimitiveDescriptor("lrn_backward", *_kind(neighbourhood, (layout,) * 3), forward).checked()


def _kind(neighbourhood: dict[str, Any], layouts: tuple[Descriptor, ...]) -> tuple[Any, ...]:
    """What forward and backward have in common: the kind of neighbourhood, layouts, and numbers."""
    numbers = (neighbourhood[name] for name in ("size", "alpha", "beta", "k"))
    return (WITHIN if neighbourhood["within"] else ACROSS, *layouts, *numbers)
