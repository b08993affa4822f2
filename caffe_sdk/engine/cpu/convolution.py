"""How oneDNN convolves, and the two gradients: one to three spatial axes, groups, dilation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from caffe_sdk.engine.cpu import batchnorm
from caffe_sdk.engine.cpu.descriptors import Descriptor, any_layout, part, plain, tagged
from caffe_sdk.engine.cpu.library import Unsupported, axes, library
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    ADD,
    BIAS,
    DIFF_BIAS,
    DIFF_DST,
    DIFF_SRC,
    DIFF_WEIGHTS,
    DST,
    FORWARD_INFERENCE,
    FORWARD_TRAINING,
    MULTIPLY,
    SRC,
    WEIGHTS,
    Attributes,
    Images,
    Joined,
    PrimitiveDescriptor,
    joined_with,
)
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import Array, Shape, Tensor

DIRECT = 1  # dnnl_convolution_direct
BLOCK = 16
WORTH_PADDING = 1.5
"""How many times the work is worth doing for the sake of whole blocks of channels."""


class _Shapes:
    """The operands' sizes as oneDNN counts axes: one for the batch, and one for the groups in the weight."""

    def __init__(self, x: Shape, y: Shape, geometry: ConvolutionGeometry) -> None:
        axis, group, kernel = geometry.axis, geometry.group, geometry.kernel
        if not 1 <= len(kernel) <= 3:
            raise Unsupported("oneDNN", f"{len(kernel)} spatial axes")
        batch, channels, out = math.prod(x[:axis]), x[axis], y[axis]
        self.x = (batch, channels, *x[axis + 1 :])
        self.y = (batch, out, *y[axis + 1 :])
        self.weight = (out, channels, *kernel) if group == 1 else (group, out // group, channels // group, *kernel)
        self.bias = (out,)
        self.windows = (
            axes(geometry.stride),
            axes(tuple(d - 1 for d in geometry.dilation)),
            axes(geometry.pad),
            axes(geometry.pad),
        )
        # Kernels for training want channels in blocks of 16, which the gradients want too. Those for inference take
        # them as they are: quicker where the blocks would be padding for the most part, though gradients then reorder.
        padding = _padded(channels // group) * _padded(out // group)
        self.kind = FORWARD_INFERENCE if padding > WORTH_PADDING else FORWARD_TRAINING

    def forward(
        self, bias: Tensor | None, relu: float | None = None, joined: Sequence[Joined] = ()
    ) -> PrimitiveDescriptor:
        """The convolution itself, layouts left to oneDNN."""
        return PrimitiveDescriptor(
            *("convolution_forward", self.kind, DIRECT, any_layout(self.x), any_layout(self.weight)),
            *(plain(self.bias) if bias is not None else None, any_layout(self.y), *self.windows),
            attributes=Attributes(relu, joined),
        ).checked()


def convolution(plan: Plan, work: Work) -> None:
    """y = bias + weight * x, and what was fused of normalization, a residual to be added, and a ReLU."""
    x, weight, bias, y = work["x"], work["weight"], work["bias"], work["y"]
    norm, residual, relu = (work.arguments.get(name) for name in ("norm", "residual", "relu"))
    if residual is not None and residual.memory is y.memory:
        raise Unsupported("oneDNN", "a residual that is overwritten while it is needed")
    if _is_framed(work):
        with suppress(Unsupported):
            _framed(plan, work)
            return
    if "within" in work.arguments:
        with suppress(Unsupported):
            _within(plan, work)
            return
    shapes = _Shapes(x.shape, y.shape, work["geometry"])
    by_channel = plain((1, *shapes.bias, *(1,) * (len(shapes.y) - 2)))
    joined = [(kind, by_channel) for kind in (MULTIPLY, ADD) if norm is not None]
    if residual is not None:
        joined.append((ADD, shapes.forward(None).layout(DST)))
    computation = shapes.forward(bias if norm is None else None, relu, joined)
    operands = {
        SRC: plan.read(x, computation.layout(SRC)),
        WEIGHTS: plan.read(weight, computation.layout(WEIGHTS)),
        BIAS: plan.read(bias, plain(shapes.bias)) if bias is not None and norm is None else None,
    }
    if residual is not None:
        operands[joined_with(len(joined) - 1)] = plan.read(residual, joined[-1][1])
    if norm is not None:
        coefficients = batchnorm.folded(plan, norm, bias, *shapes.bias)
        operands |= {joined_with(i): plan.seen_as(each, by_channel) for i, each in enumerate(coefficients)}
    operands[DST] = plan.write(y, computation.layout(DST))
    plan.execute(computation, operands)


def _within(plan: Plan, work: Work) -> None:
    """Images are convolved one by one and put right where their channels are joined with others.

    oneDNN knows no images that are apart. Singly they take as long.
    """
    x, weight, bias, y = work["x"], work["weight"], work["bias"], work["y"]
    norm, residual, relu = (work.arguments.get(name) for name in ("norm", "residual", "relu"))
    one_x, one_y = (1, *x.shape[1:]), (1, *y.shape[1:])
    shapes = _Shapes(one_x, one_y, work["geometry"])
    by_channel = plain((1, *shapes.bias, 1, 1))
    joined = [(kind, by_channel) for kind in (MULTIPLY, ADD) if norm is not None]
    computation = shapes.forward(bias if norm is None else None, relu, joined)
    source, target = computation.layout(SRC), computation.layout(DST)
    if residual is not None or (source, target) != (tagged(one_x, "aBcd16b"), tagged(one_y, "aBcd16b")):
        raise Unsupported("oneDNN", "single images in other than blocks")
    images = plan.read(x, tagged(x.shape, "aBcd16b"))
    operands = {WEIGHTS: plan.read(weight, computation.layout(WEIGHTS))}
    if norm is not None:
        coefficients = batchnorm.folded(plan, norm, bias, *shapes.bias)
        operands |= {joined_with(i): plan.seen_as(each, by_channel) for i, each in enumerate(coefficients)}
    elif bias is not None:
        operands[BIAS] = plan.read(bias, plain(shapes.bias))
    whole, channel = work["within"]
    first, number, distance = plan.write_within(y, whole, channel), x.shape[0], 4 * math.prod(whole.shape[1:])
    moving = [Images(SRC, images, number, source.nbytes), Images(DST, first, number, distance)]
    plan.execute_by_image(computation, operands, moving)


def _is_framed(work: Work) -> bool:
    """Whether the window is a single place but the image padded, so that all around y there is nothing but bias."""
    g, more = work["geometry"], (work.arguments.get(name) for name in ("norm", "residual"))
    alone = len(g.kernel) == 2 and g.axis == 1 and {*g.kernel, *g.stride} == {1} and any(g.pad)
    return alone and all(each is None for each in more) and work["x"].memory is not work["y"].memory


def _framed(plan: Plan, work: Work) -> None:
    """What is inside the frame is convolved without padding, where oneDNN is quick, and put in its place."""
    x, weight, bias, y, relu = *(work[name] for name in ("x", "weight", "bias", "y")), work.arguments.get("relu")
    geometry: ConvolutionGeometry = work["geometry"]
    inside = (*y.shape[:2], *x.shape[2:])
    shapes = _Shapes(x.shape, inside, replace(geometry, pad=(0, 0)))
    computation = shapes.forward(bias, relu)
    layout, target = computation.layout(DST), tagged(y.shape, "aBcd16b")
    if layout != tagged(inside, "aBcd16b"):
        raise Unsupported("oneDNN", "a frame around other than blocks")
    middle = plan.room(layout)
    operands = {
        SRC: plan.read(x, computation.layout(SRC)),
        WEIGHTS: plan.read(weight, computation.layout(WEIGHTS)),
        BIAS: plan.read(bias, plain(shapes.bias)) if bias is not None else None,
        DST: middle,
    }
    plan.execute(computation, operands)
    whole = plan.write(y, target)
    engine, within = library().engine, part(target, inside, (0, 0, *geometry.pad))
    put = PrimitiveDescriptor("reorder", layout, engine, within, engine)
    plan.execute(put, {SRC: middle, DST: plan.seen_as(whole, within)})
    edges = (*(-(-size // BLOCK) for size in y.shape[1:2]), *y.shape[2:], *geometry.pad)
    plan.call("loop frame", _frame, whole, operands[BIAS], edges, 1.0 if relu is None else relu)


def _frame(y: Array, bias: Array | None, sizes: Shape, slope: float) -> None:
    """Put the bias of each channel, rectified, around images (n, blocks, h, w, 16)."""
    blocks, height, width, down, across = sizes
    image = y.reshape(-1, blocks, height, width, BLOCK)
    numbers = np.zeros((blocks, 1, 1, BLOCK), np.float32)
    if bias is not None:
        numbers.reshape(-1)[: bias.size] = np.where(bias > 0, bias, slope * bias)
    image[:, :, :down], image[:, :, height - down :] = numbers, numbers
    image[:, :, :, :across], image[:, :, :, width - across :] = numbers, numbers


def convolution_grad_data(plan: Plan, work: Work) -> None:
    """dx from dy and the weight, in the layouts of the forward pass if oneDNN can."""
    dy, weight, dx = work["dy"], work["weight"], work["dx"]
    shapes = _Shapes(dx.shape, dy.shape, work["geometry"])
    forward = shapes.forward(None)

    def attempt(x: Descriptor, y: Descriptor) -> PrimitiveDescriptor:
        return PrimitiveDescriptor(
            *("convolution_backward_data", DIRECT, x, any_layout(shapes.weight), y, *shapes.windows, forward),
        ).checked()

    try:
        computation = attempt(forward.layout(SRC), forward.layout(DST))
    except Unsupported:
        computation = attempt(any_layout(shapes.x), any_layout(shapes.y))
    operands = {
        DIFF_DST: plan.read(dy, computation.layout(DIFF_DST)),
        WEIGHTS: plan.read(weight, computation.layout(WEIGHTS)),
        DIFF_SRC: plan.write(dx, computation.layout(DIFF_SRC)),
    }
    plan.execute(computation, operands)


def convolution_grad_weight(plan: Plan, work: Work) -> None:
    """dweight and dbias from x and dy, dweight in the weight's own layout if oneDNN can."""
    x, dy, dweight, dbias = work["x"], work["dy"], work["dweight"], work["dbias"]
    if dweight is None:
        raise Unsupported("oneDNN", "the gradient of the bias alone")
    shapes = _Shapes(x.shape, dy.shape, work["geometry"])
    forward = shapes.forward(dbias)

    def attempt(weight: Descriptor) -> PrimitiveDescriptor:
        return PrimitiveDescriptor(
            *("convolution_backward_weights", DIRECT, any_layout(shapes.x), weight),
            *(plain(shapes.bias) if dbias is not None else None, any_layout(shapes.y), *shapes.windows, forward),
        ).checked()

    try:
        computation = attempt(forward.layout(WEIGHTS))
    except Unsupported:
        computation = attempt(any_layout(shapes.weight))
    operands = {
        SRC: plan.read(x, computation.layout(SRC)),
        DIFF_DST: plan.read(dy, computation.layout(DIFF_DST)),
        DIFF_WEIGHTS: plan.update(dweight, computation.layout(DIFF_WEIGHTS)),
        DIFF_BIAS: plan.update(dbias, plain(shapes.bias)) if dbias is not None else None,
    }
    plan.execute(computation, operands)


def _padded(channels: int) -> float:
    """How many times the work is done when channels come in whole blocks; a few channels are taken as they are."""
    return math.ceil(channels / BLOCK) * BLOCK / channels if channels > BLOCK // 2 else 1
