"""How oneDNN normalizes by the batch, and scales and shifts by channel: one primitive does either or both, and a ReLU.

Its gradient wants the input where Caffe keeps the normalized numbers, and statistics where Caffe keeps a deviation. So
what Caffe keeps is at a place that computes it when somebody looks. A fused ReLU's gradient wants its own record of
which numbers were positive; it is a place of the result's memory, made from the result if that changed since.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu import machine_code
from caffe_sdk.engine.cpu.copies import is_kept
from caffe_sdk.engine.cpu.descriptors import Descriptor, Key, plain
from caffe_sdk.engine.cpu.folding_job import ADDRESSES, FOLDING
from caffe_sdk.engine.cpu.layouts import Promise, place_of, reorder
from caffe_sdk.engine.cpu.library import Unsupported
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    BACKWARD,
    BACKWARD_DATA,
    DIFF_DST,
    DIFF_SCALE,
    DIFF_SHIFT,
    DIFF_SRC,
    DST,
    FORWARD_INFERENCE,
    FORWARD_TRAINING,
    MEAN,
    SCALE,
    SHIFT,
    SRC,
    VARIANCE,
    WORKSPACE,
    Execution,
    Operand,
    Primitive,
    PrimitiveDescriptor,
)
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import HOST, Array, Place, Shape, SyncedMemory, Tensor, aligned, new_tensor

GIVEN_STATISTICS, HAS_SCALE, HAS_SHIFT, RECTIFY = 1, 2, 4, 8  # dnnl_normalization_flags_t


# -- what a forward pass leaves for the gradient -----------------------------------------------------------------------


class Normalized(Promise):
    """Where normalized numbers are: nowhere, but they can be had from the input and the batch's statistics."""

    name = "onednn-normalized"

    def __init__(self, x: Tensor, keeps_input: bool, deviation: Tensor, eps: float) -> None:
        self.x, self.keeps_input, self.deviation, self.eps = x, keeps_input, deviation, eps
        channels = (deviation.count,)
        self.mean, self.variance = new_tensor(channels), new_tensor(channels)

    def zero(self, buffer: Array) -> None:
        """Nothing was normalized yet: the input is what it is, and so are the statistics."""

    def to_host(self, buffer: Array, host: Array) -> None:
        """(x - mean) / sqrt(variance + eps)."""
        mean, variance = (self._by_channel(t.memory.read(HOST)) for t in (self.mean, self.variance))
        x = self.x.memory.read(HOST).reshape(self.x.shape)
        host[...] = ((x - mean) / np.sqrt(variance + self.eps)).ravel()

    def from_host(self, host: Array, buffer: Array) -> None:
        """Another engine normalized: an input and statistics that give the same numbers and the same gradient."""
        deviation = self.deviation.memory.read(HOST)
        centred = host.reshape(self.x.shape) * self._by_channel(deviation)
        if self.keeps_input:
            self.x.memory.write(HOST)[...] = centred.ravel()
        others = (0, *range(2, centred.ndim))
        mean = (self.x.memory.read(HOST).reshape(self.x.shape) - centred).mean(axis=others)
        self.mean.memory.write(HOST)[...] = mean
        self.variance.memory.write(HOST)[...] = deviation * deviation - self.eps

    def _by_channel(self, numbers: Array) -> Array:
        return numbers.reshape(-1, *(1,) * (len(self.x.shape) - 2))


_normalized: weakref.WeakKeyDictionary[SyncedMemory, Normalized] = weakref.WeakKeyDictionary()


def _place_of(normalized: Tensor, x: Tensor, deviation: Tensor, eps: float) -> Normalized:
    """The place of a normalization's result, one for each input it may have."""
    place = _normalized.get(normalized.memory)
    if place is None or (place.x.memory, place.x.shape, place.eps) != (x.memory, x.shape, eps):
        place = _normalized[normalized.memory] = Normalized(x, is_kept(x, normalized), deviation, eps)
    return place


class Signs(Place):
    """Where oneDNN keeps which numbers of a rectified result are positive: made from the result, with no way back."""

    name = "onednn-signs"
    derived = True

    def __init__(self, descriptor: Descriptor, layout: Descriptor) -> None:
        self.descriptor, self.layout = descriptor, layout

    def extent(self, count: int, dtype: np.dtype[Any]) -> tuple[int, np.dtype[Any]]:
        return self.descriptor.nbytes // self.descriptor.dtype.itemsize, self.descriptor.dtype

    @staticmethod
    def of(descriptor: Descriptor, layout: Descriptor) -> Signs:
        """The place of the signs of what lies in a layout, one object for all that are alike."""
        key = (descriptor.key, layout.key)
        place = _signs.get(key)
        if place is None:
            place = _signs[key] = Signs(descriptor, layout)
        return place

    def zero(self, buffer: Array) -> None:
        buffer[...] = 0

    def from_host(self, host: Array, buffer: Array) -> None:
        numbers = aligned(self.layout.nbytes // host.itemsize, host.dtype)
        reorder(plain(self.layout.dims), host, self.layout, numbers)
        self._fill(numbers, buffer)

    def from_place(self, other: Place, source: Array, buffer: Array) -> bool:
        if other is not place_of(self.layout):
            return False
        self._fill(source, buffer)
        return True

    def _fill(self, numbers: Array, buffer: Array) -> None:
        """Let oneDNN rectify once more what was rectified; it notes the signs."""
        channels = (self.layout.dims[1],)
        zeros, ones, result = np.zeros(channels, np.float32), np.ones(channels, np.float32), np.empty_like(numbers)
        computation = _forward(FORWARD_TRAINING, self.layout, 0.0, GIVEN_STATISTICS | RECTIFY)
        operands = {
            SRC: Operand(self.layout, numbers),
            MEAN: Operand(plain(channels), zeros),
            VARIANCE: Operand(plain(channels), ones),
            DST: Operand(self.layout, result),
            WORKSPACE: Operand(self.descriptor, buffer),
        }
        Execution(Primitive(computation), operands).run()


_signs: weakref.WeakValueDictionary[Key, Signs] = weakref.WeakValueDictionary()


# -- normalization by the batch ----------------------------------------------------------------------------------------


def batch_norm(plan: Plan, work: Work) -> None:
    """y = (x - m) / deviation, scaled, shifted and rectified where that was fused; the running sums follow."""
    x, y, normalized, deviation, eps = (work[name] for name in ("x", "y", "normalized", "deviation", "eps"))
    if x.memory is y.memory:
        raise Unsupported("oneDNN", "a normalization in place, of whose input nothing would be left")
    layout, channels = plan.shaped(x), plain(deviation.shape)
    forward = _forward(FORWARD_TRAINING, layout, eps, _flags(work))
    place = _place_of(normalized, x, deviation, eps)
    statistics = [plan.write(place.mean, channels), plan.write(place.variance, channels)]
    operands = {
        SRC: plan.read(x, layout),
        **dict(zip((MEAN, VARIANCE), statistics, strict=True)),
        **_coefficients(plan, work),
        DST: plan.write(y, layout),
    }
    if _flags(work) & RECTIFY:
        signs = Signs.of(forward.layout(WORKSPACE), layout)
        operands[WORKSPACE] = plan.also(y, signs.descriptor, signs)
    plan.execute(forward, operands)
    running = [plan.change(work[name], plain(work[name].shape)) for name in ("mean", "variance", "weight")]
    numbers = map(np.float32, (eps, work["fraction"], _unbiased(x.count // deviation.count)))
    made = plan.write(deviation, channels)
    plan.step("loop batch statistics", _follow, layout, operands[DST], *statistics, *running, made, *numbers)
    for promised in (normalized, work.arguments.get("before")):
        if promised is not None:
            plan.promise(promised, place)


def batch_norm_grad(plan: Plan, work: Work) -> None:
    """dx from dy, through coefficients and a ReLU too where they were fused, and the gradients of coefficients."""
    normalized, dy, before = work["normalized"], work["dy"], work.arguments.get("before")
    place = plan.place(normalized.memory)
    if not isinstance(place, Normalized) or place.x.shape != dy.shape:
        raise Unsupported("oneDNN", "a normalization that is not oneDNN's")
    if before is not None and plan.place(before.memory) is not place:
        raise Unsupported("oneDNN", "coefficients of something else")
    layout, channels = plan.shaped(place.x), plain(place.mean.shape)
    computation = _backward(layout, place.eps, _gradient_flags(work), work)
    for relied in (normalized, before):
        if relied is not None:
            plan.rely(relied, place)
    statistics = {MEAN: plan.read(place.mean, channels), VARIANCE: plan.read(place.variance, channels)}
    _execute_backward(plan, computation, work, place.x, layout, statistics)


def batch_norm_global(plan: Plan, work: Work) -> None:
    """y = (x - mean / weight) / deviation, scaled, shifted and rectified where that was fused."""
    from caffe_sdk.engine.portable.loops import channels as loops

    x, y, deviation, eps = (work[name] for name in ("x", "y", "deviation", "eps"))
    layout, channels = plan.shaped(x), plain(deviation.shape)
    forward = _forward(FORWARD_INFERENCE, layout, eps, GIVEN_STATISTICS | _flags(work))
    running = [plan.read(work[name], plain(work[name].shape)) for name in ("mean", "variance", "weight")]
    statistics = [plan.room(channels), plan.room(channels)]
    made = plan.write(deviation, channels)
    plan.step("loop running statistics", loops.running_statistics, *running, *statistics, made, np.float32(eps))
    operands = {
        SRC: plan.read(x, layout),
        **dict(zip((MEAN, VARIANCE), statistics, strict=True)),
        **_coefficients(plan, work),
        DST: plan.write(y, layout),
    }
    plan.execute(forward, operands)


def folded(plan: Plan, norm: Work, bias: Tensor | None, count: int) -> tuple[Operand, Operand]:
    """Coefficients a and b of each channel, and 0 up to ``count``, by which a x + b is x + bias normalized.

    ``norm`` is a `batch_norm_global`, with scale and shift if it has them, or an `affine`.
    """
    channels = next(t.count for name in ("deviation", "scale", "shift") if (t := norm.arguments.get(name)) is not None)
    default = {"mean": 0.0, "variance": 1.0, "scale": 1.0, "shift": 0.0}
    given = {**{name: norm.arguments.get(name) for name in default}, "bias": bias}
    weight, deviation = norm.arguments.get("weight"), norm.arguments.get("deviation")
    mean, variance, scale, shift, added = (
        plan.read(tensor if tensor is not None else constant(channels, default.get(name, 0.0)), plain((channels,)))
        for name, tensor in given.items()
    )
    share = plan.read(weight if weight is not None else constant(1, 1.0), plain((1,)))
    a, b = plan.room(plain((count,))), plan.room(plain((count,)))
    made = plan.write(deviation, plain((channels,))) if deviation is not None else plan.room(plain((channels,)))
    record = np.zeros(1, FOLDING)
    record["channels"], record["count"], record["eps"] = channels, count, norm.arguments.get("eps", 0.0)

    def ready(*arrays: Array) -> Callable[[], None]:
        for name, array in zip(ADDRESSES, arrays, strict=True):
            record[name] = array.ctypes.data
        return functools.partial(machine_code.function("fold"), record.ctypes.data)

    plan.step_made_by("loop folded coefficients", ready, mean, variance, share, scale, shift, added, a, b, made)
    return a, b


def batch_norm_global_grad(plan: Plan, work: Work) -> None:
    """dx = dy / deviation: the gradient of a normalization by the deviation's square."""
    from caffe_sdk.engine.portable.loops import channels as loops

    deviation, dy = work["deviation"], work["dy"]
    layout, channels = plan.shaped(dy), plain(deviation.shape)
    computation = _backward(layout, 0.0, GIVEN_STATISTICS, work)
    square = plan.room(channels)
    plan.step("loop square", loops.square, plan.read(deviation, channels), square)
    statistics = {MEAN: plan.read(constant(deviation.count, 0.0), channels), VARIANCE: square}
    _execute_backward(plan, computation, work, dy, layout, statistics)


# -- coefficients by channel -------------------------------------------------------------------------------------------


def affine(plan: Plan, work: Work) -> None:
    """y = scale x + shift: a normalization by mean 0 and variance 1."""
    x, y = work["x"], work["y"]
    coefficients = work["scale"] if work["scale"] is not None else work["shift"]
    layout = _layout(plan, x, coefficients.shape, work["axis"])
    forward = _forward(FORWARD_INFERENCE, layout, 0.0, GIVEN_STATISTICS | _flags(work))
    operands = {SRC: plan.read(x, layout), **_no_statistics(plan, layout), **_coefficients(plan, work)}
    plan.execute(forward, {**operands, DST: plan.write(y, layout)})


def affine_grad(plan: Plan, work: Work) -> None:
    """dx = scale dy, dscale += sum of x dy, dshift += sum of dy, or some of them."""
    dy = work["dy"]
    x = work.arguments.get("x") or dy
    place = plan.place(x.memory)
    if isinstance(place, Normalized):
        _affine_grad_of_normalized(plan, work, place)
        return
    coefficients = next(t for name in ("scale", "dscale", "dshift") if (t := work.arguments.get(name)) is not None)
    layout = _layout(plan, dy, coefficients.shape, work["axis"])
    computation = _backward(layout, 0.0, GIVEN_STATISTICS | _gradient_flags(work), work)
    _execute_backward(plan, computation, work, x, layout, _no_statistics(plan, layout))


def _affine_grad_of_normalized(plan: Plan, work: Work, place: Normalized) -> None:
    """The same where x is what was normalized: its coefficients' gradients are part of the normalization's."""
    layout, channels = plan.shaped(place.x), plain(place.mean.shape)
    coefficients = Work(work.name, {name: value for name, value in work.arguments.items() if name != "dx"}, work.calls)
    computation = _backward(layout, place.eps, GIVEN_STATISTICS | _gradient_flags(work), work)
    plan.rely(work["x"], place)
    statistics = {MEAN: plan.read(place.mean, channels), VARIANCE: plan.read(place.variance, channels)}
    _execute_backward(plan, computation, coefficients, place.x, layout, statistics)
    if work.arguments.get("dx") is not None:
        affine_grad(plan, Work(work.name, {name: work[name] for name in ("dy", "scale", "dx", "axis")}, work.calls))


def _layout(plan: Plan, x: Tensor, coefficients: Shape, axis: int) -> Descriptor:
    """How to see x so that axis 1 has the coefficients: as it is where it does, else as a plain array of three axes."""
    if axis == 1 and len(coefficients) == 1 and len(x.shape) > 1:
        return plan.shaped(x)
    before, behind = math.prod(x.shape[:axis]), math.prod(x.shape[axis + len(coefficients) :])
    return plain((before, math.prod(coefficients), behind))


def _no_statistics(plan: Plan, layout: Descriptor) -> dict[int, Operand]:
    """Mean 0 and variance 1 of every channel."""
    count, channels = layout.dims[1], plain(layout.dims[1:2])
    return {
        MEAN: plan.read(constant(count, 0.0), channels),
        VARIANCE: plan.read(constant(count, 1.0), channels),
    }


@functools.lru_cache(maxsize=64)
def constant(count: int, value: float) -> Tensor:
    """A tensor of one number, which nobody may change."""
    tensor = new_tensor((count,))
    tensor.memory.write(HOST)[...] = value
    return tensor


# -- primitives --------------------------------------------------------------------------------------------------------


def _flags(work: Work) -> int:
    """What a forward pass does besides normalizing."""
    given = {HAS_SCALE: "scale", HAS_SHIFT: "shift", RECTIFY: "relu"}
    return sum(flag for flag, name in given.items() if work.arguments.get(name) is not None)


def _gradient_flags(work: Work) -> int:
    """What a backward pass goes through; coefficients of which neither value nor gradient is asked for do not count."""
    scaled = any(work.arguments.get(name) is not None for name in ("scale", "dscale"))
    shifted = work.arguments.get("dshift") is not None
    return HAS_SCALE * scaled | HAS_SHIFT * shifted | RECTIFY * (work.arguments.get("result") is not None)


def _coefficients(plan: Plan, work: Work) -> dict[int, Operand]:
    """Scale and shift, where there are any."""
    found = ((argument, work.arguments.get(name)) for argument, name in ((SCALE, "scale"), (SHIFT, "shift")))
    return {argument: plan.read(tensor, plain((tensor.count,))) for argument, tensor in found if tensor is not None}


def _forward(kind: int, layout: Descriptor, eps: float, flags: int) -> PrimitiveDescriptor:
    return PrimitiveDescriptor("batch_normalization_forward", kind, layout, layout, eps, flags).checked()


def _backward(layout: Descriptor, eps: float, flags: int, work: Work) -> PrimitiveDescriptor:
    asked = any(work.arguments.get(name) is not None for name in ("dscale", "dshift"))
    forward = _forward(FORWARD_TRAINING, layout, eps, flags)
    kind = BACKWARD if asked else BACKWARD_DATA
    return PrimitiveDescriptor(
        "batch_normalization_backward", kind, layout, layout, layout, eps, flags, forward
    ).checked()


def _execute_backward(
    plan: Plan,
    computation: PrimitiveDescriptor,
    work: Work,
    x: Tensor,
    layout: Descriptor,
    statistics: Mapping[int, Operand],
) -> None:
    """Compute the gradients that are asked for; what the primitive computes besides goes into scratch memory."""
    dx, dscale = work.arguments.get("dx"), work.arguments.get("dscale")
    flags, channels = _gradient_flags(work), plain(layout.dims[1:2])
    operands = {SRC: plan.read(x, layout), DIFF_DST: plan.read(work["dy"], layout), **statistics}
    if flags & RECTIFY:
        signs = Signs.of(computation.layout(WORKSPACE), layout)
        operands[WORKSPACE] = plan.read(work["result"], signs.descriptor, signs)
    if flags & HAS_SCALE:
        scale = work.arguments.get("scale") or constant(layout.dims[1], 1.0)
        operands[SCALE] = plan.read(scale, channels)
        operands[DIFF_SCALE] = plan.update(dscale, channels) if dscale is not None else plan.room(channels)
    if flags & HAS_SHIFT:
        operands[DIFF_SHIFT] = plan.update(work["dshift"], channels)
    operands[DIFF_SRC] = plan.write(dx, layout) if dx is not None else plan.room(layout)
    plan.execute(computation, operands)


# -- statistics --------------------------------------------------------------------------------------------------------


def _follow(layout: Descriptor, y: Array, mean: Array, variance: Array, *others: Any) -> None:
    """Update the running sums by the batch's mean and variance.

    A channel with a number that is none has such a mean, so none of its results is a number either; those that oneDNN
    rectified it made 0.
    """
    from caffe_sdk.engine.portable.loops import channels as loops

    if loops.batch_statistics(mean, variance, *others):
        numbers = np.empty(layout.dims, np.float32)
        reorder(layout, y, plain(layout.dims), numbers)
        numbers[:, np.isnan(mean + variance)] = np.nan
        reorder(plain(layout.dims), numbers, layout, y)


def _unbiased(count: int) -> float:
    """What makes the variance of a sample that of the population it is from."""
    return count / (count - 1) if count > 1 else 1.0
