"""How oneDNN computes inner products and their gradients. Inputs are plain matrices, which it is quickest with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from caffe_sdk.engine.cpu import lanes
from caffe_sdk.engine.cpu.compact import Compact, Matrix
from caffe_sdk.engine.cpu.descriptors import Descriptor, any_layout, plain, strided
from caffe_sdk.engine.cpu.layouts import place_of
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    BIAS,
    DIFF_BIAS,
    DIFF_DST,
    DIFF_SRC,
    DIFF_WEIGHTS,
    DST,
    FORWARD_TRAINING,
    SRC,
    WEIGHTS,
    Attributes,
    PrimitiveDescriptor,
)
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import HOST, Array, Shape, Tensor

LARGE = 1 << 18
"""Numbers of a weight from which on reading it is what takes the time of a product with a single vector."""


class _Shapes:
    """Sizes of x (m, k), weight (n, k) and y (m, n), and how the weight lies on the host: row-major or transposed."""

    def __init__(self, x: Shape, y: Shape, transpose: bool) -> None:
        (m, k), n = x, y[-1]
        self.x, self.weight, self.y, self.bias = (m, k), (n, k), (m, n), (n,)
        self.on_host = strided((n, k), (1, n)) if transpose else plain((n, k))

    def forward(self, bias: Tensor | None, relu: float | None = None) -> PrimitiveDescriptor:
        """The inner product itself, layouts left to oneDNN."""
        return PrimitiveDescriptor(
            *("inner_product_forward", FORWARD_TRAINING, any_layout(self.x), any_layout(self.weight)),
            *(plain(self.bias) if bias is not None else None, any_layout(self.y)),
            attributes=Attributes(relu=relu),
        ).checked()


def inner_product(plan: Plan, work: Work) -> None:
    """y = x weight^T + bias, and a ReLU of it if one was fused."""
    x, weight, bias, y = work["x"], work["weight"], work["bias"], work["y"]
    in_rows = plan.place(weight.memory) is HOST or Compact(*weight.shape) in weight.memory.fresh
    given = not work["transpose"] and weight.memory not in plan.written
    if x.shape[0] == 1 and weight.count >= LARGE and in_rows and given:
        _product(plan, work)
        return
    if lanes.are_in_lanes(plan, x):
        with suppress(Unsupported):
            lanes.inner_product(plan, work)
            return
    shapes = _Shapes(x.shape, y.shape, work["transpose"])
    computation = shapes.forward(bias, work.arguments.get("relu"))
    layout = computation.layout(WEIGHTS)
    operands = {
        SRC: plan.read(x, computation.layout(SRC)),
        WEIGHTS: plan.read(weight, layout, place_of(layout, shapes.on_host)),
        BIAS: plan.read(bias, plain(shapes.bias)) if bias is not None else None,
        DST: plan.write(y, computation.layout(DST)),
    }
    plan.execute(computation, operands)


def _product(plan: Plan, work: Work) -> None:
    """A matrix is read once, by a loop of our own: that is what takes the time, and oneDNN reads more slowly."""
    x, weight, bias, y, relu = *(work[name] for name in ("x", "weight", "bias", "y")), work.arguments.get("relu")
    matrix = Matrix(weight.memory, weight.shape)
    plan.see_to(weight.memory, matrix.enter)
    added = plan.read(bias, plain(bias.shape)) if bias is not None else None

    def made(room: Array, x: Array, y: Array, bias: Array | None) -> Callable[[], None]:
        slope = 1.0 if relu is None else relu
        return matrix.product(room, address(x), address(y), 0 if bias is None else address(bias), slope)

    room = plan.room(plain((matrix.place.room // 4,)))
    operands = plan.read(x, plain(x.shape)), plan.write(y, plain(y.shape))
    plan.step_made_by("inner_product_forward loop", made, room, *operands, added)


def inner_product_grad_data(plan: Plan, work: Work) -> None:
    """dx = dy weight, with the weight in the layout of the forward pass if oneDNN can."""
    dy, weight, dx = work["dy"], work["weight"], work["dx"]
    shapes = _Shapes(dx.shape, dy.shape, work["transpose"])
    forward = shapes.forward(None)

    def attempt(layout: Descriptor) -> PrimitiveDescriptor:
        return PrimitiveDescriptor(
            *("inner_product_backward_data", any_layout(shapes.x), layout, any_layout(shapes.y), forward),
        ).checked()

    try:
        computation = attempt(forward.layout(WEIGHTS))
    except Unsupported:
        computation = attempt(any_layout(shapes.weight))
    layout = computation.layout(WEIGHTS)
    operands = {
        DIFF_DST: plan.read(dy, computation.layout(DIFF_DST)),
        WEIGHTS: plan.read(weight, layout, place_of(layout, shapes.on_host)),
        DIFF_SRC: plan.write(dx, computation.layout(DIFF_SRC)),
    }
    plan.execute(computation, operands)


def inner_product_grad_weight(plan: Plan, work: Work) -> None:
    """dweight += dy^T x and dbias += sum of dy, dweight in the weight's own layout if oneDNN can."""
    x, dy, dweight, dbias = work["x"], work["dy"], work["dweight"], work["dbias"]
    if dweight is None:
        raise Unsupported("oneDNN", "the gradient of the bias alone")
    shapes = _Shapes(x.shape, dy.shape, work["transpose"])
    forward = shapes.forward(dbias)

    def attempt(layout: Descriptor) -> PrimitiveDescriptor:
        return PrimitiveDescriptor(
            *("inner_product_backward_weights", any_layout(shapes.x), layout),
            *(plain(shapes.bias) if dbias is not None else None, any_layout(shapes.y), forward),
        ).checked()

    try:
        computation = attempt(forward.layout(WEIGHTS))
    except Unsupported:
        computation = attempt(any_layout(shapes.weight))
    layout = computation.layout(DIFF_WEIGHTS)
    operands = {
        SRC: plan.read(x, computation.layout(SRC)),
        DIFF_DST: plan.read(dy, computation.layout(DIFF_DST)),
        DIFF_WEIGHTS: plan.update(dweight, layout, place_of(layout, shapes.on_host)),
        DIFF_BIAS: plan.update(dbias, plain(shapes.bias)) if dbias is not None else None,
    }
    plan.execute(computation, operands)
