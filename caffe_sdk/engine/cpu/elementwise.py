"""What oneDNN does number by number, in whatever layout the numbers are: ReLU, products, copies, sums.

All may be in place: y may be x, and dx may be dy.
"""

from __future__ import annotations

import ctypes

from caffe_sdk.engine.cpu.fusion import Work
from caffe_sdk.engine.cpu.library import Unsupported, library
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    DIFF_DST,
    DIFF_SRC,
    DST,
    FORWARD_INFERENCE,
    MULTIPLE_SRC,
    RELU,
    SRC,
    SRC_1,
    PrimitiveDescriptor,
)
from caffe_sdk.memory import Tensor

MULTIPLY = 0x1FFF1  # dnnl_binary_mul


def relu(plan: Plan, work: Work) -> None:
    """y = max(x, 0) + negative_slope min(x, 0)."""
    x, y = work["x"], work["y"]
    layout, place = plan.flat(x)
    computation = _relu(layout, work["negative_slope"])
    plan.execute(computation, {SRC: plan.read(x, layout, place), DST: plan.write(y, layout, place)})


def relu_grad(plan: Plan, work: Work) -> None:
    """dx = dy where x > 0, else negative_slope dy."""
    x, dy, dx = work["x"], work["dy"], work["dx"]
    layout, place = plan.flat(x)
    forward = _relu(layout, work["negative_slope"])
    computation = PrimitiveDescriptor(
        "eltwise_backward", RELU, layout, layout, layout, work["negative_slope"], 0.0, forward
    )
    operands = {
        SRC: plan.read(x, layout, place),
        DIFF_DST: plan.read(dy, layout, place),
        DIFF_SRC: plan.write(dx, layout, place),
    }
    plan.execute(computation, operands)


def dropout_grad(plan: Plan, work: Work) -> None:
    """dx = dy mask."""
    dy, mask, dx = work["dy"], work["mask"], work["dx"]
    layout, place = plan.flat(dy)
    computation = PrimitiveDescriptor("binary", MULTIPLY, layout, layout, layout)
    operands = {
        SRC: plan.read(dy, layout, place),
        SRC_1: plan.read(mask, layout, place),
        DST: plan.write(dx, layout, place),
    }
    plan.execute(computation, operands)


def copy(plan: Plan, work: Work) -> None:
    """y = x."""
    x, y = work["x"], work["y"]
    if x.memory is y.memory:
        return
    layout, place = plan.flat(x)
    computation = PrimitiveDescriptor("reorder", layout, library().engine, layout, library().engine)
    plan.execute(computation, {SRC: plan.read(x, layout, place), DST: plan.write(y, layout, place)})


def add_all(plan: Plan, work: Work) -> None:
    """y = the sum of xs."""
    xs, y = list(work["xs"]), work["y"]
    aliases = [x for x in xs if x.memory is y.memory]
    if len(aliases) > 1:
        raise Unsupported("oneDNN", "a sum that overwrites what it reads twice")
    others = [x for x in xs if x.memory is not y.memory]
    terms: list[Tensor] = aliases + others  # what is overwritten is read first
    layout, place = plan.flat(terms[0])
    layouts = (ctypes.c_void_p * len(terms))(*[layout.handle] * len(terms))
    scales = (ctypes.c_float * len(terms))(*[1.0] * len(terms))
    computation = PrimitiveDescriptor("sum", layout, len(terms), scales, layouts)
    operands = {MULTIPLE_SRC + i: plan.read(x, layout, place) for i, x in enumerate(terms)}
    plan.execute(computation, {**operands, DST: plan.write(y, layout, place)})


def _relu(layout: object, negative_slope: float) -> PrimitiveDescriptor:
    return PrimitiveDescriptor("eltwise_forward", FORWARD_INFERENCE, RELU, layout, layout, negative_slope, 0.0)
