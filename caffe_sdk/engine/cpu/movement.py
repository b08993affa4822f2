"""How oneDNN joins tensors and cuts parts out of them, in the layouts they are in."""

from __future__ import annotations

import ctypes

from caffe_sdk.engine.cpu.descriptors import Descriptor, alike, any_layout, part, plain, tagged
from caffe_sdk.engine.cpu.layouts import place_of
from caffe_sdk.engine.cpu.library import Unsupported, library
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import DST, MULTIPLE_SRC, SRC, PrimitiveDescriptor
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import Tensor


def concatenate(plan: Plan, work: Work) -> None:
    """y = the xs, one after the other along an axis."""
    xs, y = list(work["xs"]), work["y"]
    if any(x.memory is y.memory for x in xs):
        raise Unsupported("oneDNN", "joining what is overwritten")
    layouts = [plan.shaped(x) for x in xs]
    blocked = all(
        layout == tagged(x.shape, "aBcd16b") for layout, x in zip(layouts, xs, strict=True) if len(x.shape) == 4
    )
    if "apart" in work.arguments and blocked and plan.join(xs, y, tagged(y.shape, "aBcd16b")):
        return
    if any(plan.is_within(x, y) for x in xs):
        _copy_others(plan, xs, y)
        return
    handles = (ctypes.c_void_p * len(xs))(*(layout.handle for layout in layouts))
    computation = PrimitiveDescriptor("concat", any_layout(y.shape), len(xs), work["axis"], handles)
    operands = {MULTIPLE_SRC + i: plan.read(x, layout) for i, (x, layout) in enumerate(zip(xs, layouts, strict=True))}
    plan.execute(computation, {**operands, DST: plan.write(y, computation.layout(DST))})


def _copy_others(plan: Plan, xs: list[Tensor], y: Tensor) -> None:
    """Put into y what was not made there: images in blocks, some of whose channels are y's already."""
    layout = tagged(y.shape, "aBcd16b")
    whole, begin, engine = plan.write(y, layout), 0, library().engine
    for x in xs:
        if not plan.is_within(x, y):
            source, target = plan.shaped(x), part(layout, x.shape, (0, begin, 0, 0))
            computation = PrimitiveDescriptor("reorder", source, engine, target, engine)
            plan.execute(computation, {SRC: plan.read(x, source), DST: plan.seen_as(whole, target)})
        begin += x.shape[1]


def crop(plan: Plan, work: Work) -> None:
    """y = the part of x that begins at the offsets, in the layout of x unless that cuts through a block."""
    x, y, offsets = work["x"], work["y"], work["offsets"]
    if x.memory is y.memory:
        raise Unsupported("oneDNN", "cutting what is overwritten")
    layout = plan.shaped(x)
    try:
        source, target = part(layout, y.shape, offsets), alike(layout, y.shape)
    except Unsupported:
        layout, target = plain(x.shape), plain(y.shape)
        source = part(layout, y.shape, offsets)
    computation = PrimitiveDescriptor("reorder", source, library().engine, target, library().engine)
    plan.execute(computation, {SRC: plan.read(x, source, place_of(layout)), DST: plan.write(y, target)})


def _in_blocks(xs: list[Tensor], layouts: list[Descriptor]) -> bool:
    """Whether images are in blocks of 16 channels."""
    return all(layout == tagged(x.shape, "aBcd16b") for x, layout in zip(xs, layouts, strict=True))
