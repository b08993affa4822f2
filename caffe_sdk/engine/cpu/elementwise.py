"""What several tensors of one shape give number by number, in whatever layout the numbers are.

All may be in place: y may be one of the xs, and dx may be dy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np

from caffe_sdk.engine.cpu.descriptors import Descriptor, alike, plain
from caffe_sdk.engine.cpu.layouts import Layout, place_of
from caffe_sdk.engine.cpu.library import Unsupported, library
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    ADD,
    DST,
    MULTIPLE_SRC,
    MULTIPLY,
    SRC,
    SRC_1,
    Attributes,
    Function,
    Operand,
    PrimitiveDescriptor,
    joined_with,
)
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import HOST, Place, Tensor

INDEX = np.dtype(np.int32)


def copy(plan: Plan, work: Work) -> None:
    """y = x."""
    x, y = work["x"], work["y"]
    if x.memory is y.memory:
        return
    layout, place = plan.flat(x)
    computation = PrimitiveDescriptor("reorder", layout, library().engine, layout, library().engine)
    plan.execute(computation, {SRC: plan.read(x, layout, place), DST: plan.write(y, layout, place)})


def fill(plan: Plan, work: Work) -> None:
    """y = value."""
    y, value = work["y"], work["value"]
    layout, place = plan.flat(y, padded=value == 0)
    plan.step("loop fill", np.ndarray.fill, plan.write(y, layout, place), value)


def accumulate(plan: Plan, work: Work) -> None:
    """y += x."""
    _add(plan, [work["y"], work["x"]], work["y"])


def add_all(plan: Plan, work: Work) -> None:
    """y = the sum of xs, and a ReLU of it if one was fused."""
    _add(plan, work["xs"], work["y"], work.arguments.get("relu"))


def weighted_sum(plan: Plan, work: Work) -> None:
    """y = the sum of coefficient x."""
    pairs = _overwritten_first(list(zip(work["xs"], work["coefficients"], strict=True)), work["y"])
    _sum(plan, pairs, work["y"])


def product(plan: Plan, work: Work) -> None:
    """y = the product of xs."""
    y = work["y"]
    first, *others = (x for x, _ in _overwritten_first([(x, 1.0) for x in work["xs"]], y))
    if not others:
        raise Unsupported("oneDNN", "a product of one")
    for other in others:
        multiplied(plan, first, other, y)
        first = y


def product_grad(plan: Plan, work: Work) -> None:
    """dx of the x at ``index``: dy times the product of the others, where that is how it is to be computed."""
    dy, dx = work["dy"], work["dx"]
    others = [x for i, x in enumerate(work["xs"]) if i != work["index"]]
    if not work["stable"] or not others or any(x.memory is dx.memory for x in others):
        raise Unsupported("oneDNN", "a gradient by division")
    for other in others:
        multiplied(plan, dy, other, dx)
        dy = dx


def maximum(plan: Plan, work: Work) -> None:
    """y = the largest of xs, mask = which: two at a time. Of equals the second x is taken, else the first."""
    from caffe_sdk.engine.portable.loops import maximum as loops

    (first, *others), y, mask = work["xs"], work["y"], work["mask"]
    if not others or any(x.memory is y.memory for x in others):
        raise Unsupported("oneDNN", "a maximum that overwrites what it reads")
    layout, place = plan.flat(first)
    terms = [plan.read(x, layout, place) for x in (first, *others)]
    room, chosen = plan.write(y, layout, place), _indices(plan.write, mask, layout, place)
    plan.step("loop maximum", loops.maximum_of_two, *terms[:2], room, chosen)
    for i, term in enumerate(terms[2:], 2):
        plan.step("loop maximum", loops.maximum_with, term, room, chosen, i)


def maximum_grad(plan: Plan, work: Work) -> None:
    """dx of the x at ``index``: dy where it was the largest, else 0."""
    from caffe_sdk.engine.portable.loops import maximum as loops

    dy, mask, dx = work["dy"], work["mask"], work["dx"]
    layout, place = plan.flat(dy)
    operands = [plan.read(dy, layout, place), _indices(plan.read, mask, layout, place)]
    plan.step("loop maximum_grad", loops.maximum_grad, *operands, plan.write(dx, layout, place), work["index"])


def multiplied(plan: Plan, x: Tensor, other: Tensor, y: Tensor, functions: Sequence[Function] = ()) -> None:
    """y = x other, and functions of it."""
    _binary(plan, MULTIPLY, x, other, y, Attributes(functions=functions))


def _add(plan: Plan, xs: Sequence[Tensor], y: Tensor, relu: float | None = None) -> None:
    if len(xs) == 1:
        _sum(plan, [(xs[0], 1.0)], y)
        return
    first, second, *others = (x for x, _ in _overwritten_first([(x, 1.0) for x in xs], y))
    layout, _ = plan.flat(first)
    _binary(plan, ADD, first, second, y, Attributes(relu, [(ADD, layout)] * len(others)), others)


def _overwritten_first(pairs: list[tuple[Tensor, float]], y: Tensor) -> list[tuple[Tensor, float]]:
    """Tensors and their coefficients in the order they are to be read: the one that y overwrites is read first."""
    aliases = [pair for pair in pairs if pair[0].memory is y.memory]
    if len(aliases) > 1:
        raise Unsupported("oneDNN", "a result that overwrites what is read twice")
    return aliases + [pair for pair in pairs if pair[0].memory is not y.memory]


def _sum(plan: Plan, pairs: Sequence[tuple[Tensor, float]], y: Tensor) -> None:
    layout, place = plan.flat(pairs[0][0])
    layouts = (ctypes.c_void_p * len(pairs))(*[layout.handle] * len(pairs))
    coefficients = (ctypes.c_float * len(pairs))(*(coefficient for _, coefficient in pairs))
    computation = PrimitiveDescriptor("sum", layout, len(pairs), coefficients, layouts)
    operands = {MULTIPLE_SRC + i: plan.read(x, layout, place) for i, (x, _) in enumerate(pairs)}
    plan.execute(computation, {**operands, DST: plan.write(y, layout, place)})


def _binary(
    plan: Plan, kind: int, x: Tensor, other: Tensor, y: Tensor, attributes: Attributes, joined: Sequence[Tensor] = ()
) -> None:
    layout, place = plan.flat(x)
    computation = PrimitiveDescriptor("binary", kind, layout, layout, layout, attributes=attributes)
    terms = {SRC: x, SRC_1: other, **{joined_with(i): term for i, term in enumerate(joined)}}
    operands = {argument: plan.read(term, layout, place) for argument, term in terms.items()}
    plan.execute(computation, {**operands, DST: plan.write(y, layout, place)})


def _indices(use: Callable[..., Operand], mask: Tensor, layout: Descriptor, place: Place) -> Operand:
    """The mask of a maximum as one of a plan's operands, its numbers in the order of others in a layout."""
    if isinstance(place, Layout):
        return use(mask, alike(layout, layout.dims, INDEX), place_of(alike(layout, layout.dims, INDEX)))
    return use(mask, plain((mask.count,), INDEX), HOST)
