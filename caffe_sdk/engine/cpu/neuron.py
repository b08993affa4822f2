"""Functions of single values, in whatever layout the values are: by oneDNN where it has them, else by a loop.

All may be in place: y may be x, and dx may be dy. One result differs from Caffe's: the ReLU of NaN is 0, because that
is how oneDNN compares in the registers of the convolution before, where a ReLU costs nothing. Every other function
keeps NaN. Weights that become NaN do not go unnoticed: `update` looks at every step it makes.
"""

from __future__ import annotations

from collections.abc import Callable

from caffe_sdk.engine.cpu.descriptors import Descriptor, any_layout, plain
from caffe_sdk.engine.cpu.elementwise import multiplied
from caffe_sdk.engine.cpu.layouts import place_of
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import (
    DIFF_DST,
    DIFF_SRC,
    DIFF_WEIGHTS,
    DST,
    FORWARD_INFERENCE,
    FORWARD_TRAINING,
    RELU,
    SRC,
    WEIGHTS,
    Attributes,
    Function,
    Operand,
    PrimitiveDescriptor,
)
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import Array, Shape, Tensor

# dnnl_alg_kind_t: dnnl_eltwise_*, those of y being the ones whose gradient is computed from the result
TANH, ELU, ABSOLUTE, LINEAR, SOFT_RELU, LOGISTIC, EXP, SWISH, LOG, POW = (
    *(0x21, 0x22, 0x24, 0x26, 0x27, 0x29, 0x2A, 0x2C, 0x2D, 0x30),
)
TANH_OF_Y, LOGISTIC_OF_Y = 0x101, 0x104

FUNCTIONS: dict[str, Callable[[Work], list[Function]]] = {
    "relu": lambda work: [(RELU, work["negative_slope"], 0.0)],
    "sigmoid": lambda work: [(LOGISTIC, 0.0, 0.0)],
    "tanh": lambda work: [(TANH, 0.0, 0.0)],
    "elu": lambda work: [(ELU, work["alpha"], 0.0)],
    "swish": lambda work: [(SWISH, work["beta"], 0.0)],
    "bnll": lambda work: [(SOFT_RELU, 1.0, 0.0)],
    "absolute": lambda work: [(ABSOLUTE, 0.0, 0.0)],
    "scale": lambda work: [(LINEAR, work["factor"], 0.0)],
    "power": lambda work: [(LINEAR, work["scale"], work["shift"]), (POW, 1.0, work["power"])],
    "exponential": lambda work: [(LINEAR, work["scale"], work["shift"]), (EXP, 0.0, 0.0)],
    "logarithm": lambda work: [
        *((LINEAR, work["scale"], work["shift"]), (LOG, 0.0, 0.0), (LINEAR, work["factor"], 0.0)),
    ],
}
"""What oneDNN computes for y, one function after the other."""

GRADIENTS: dict[str, Callable[[Work], Function]] = {
    "relu_grad": lambda work: (RELU, work["negative_slope"], 0.0),
    "sigmoid_grad": lambda work: (LOGISTIC_OF_Y, 0.0, 0.0),
    "tanh_grad": lambda work: (TANH_OF_Y, 0.0, 0.0),
    "elu_grad": lambda work: (ELU, work["alpha"], 0.0),
    "swish_grad": lambda work: (SWISH, work["beta"], 0.0),
    "bnll_grad": lambda work: (SOFT_RELU, 1.0, 0.0),
    "absolute_grad": lambda work: (ABSOLUTE, 0.0, 0.0),
}
"""The function whose gradient oneDNN computes for dx, from x or from y, whichever the operation has."""

LOOPS: dict[str, tuple[str, ...]] = {
    "clip": ("low", "high"),
    "clip_grad": ("low", "high"),
    "threshold": ("threshold",),
    "power_grad": ("power", "scale", "shift"),
    "logarithm_grad": ("factor", "scale", "shift"),
}
"""Operations that are loops of the same name in `portable.loops.neuron`: the numbers they take behind their arrays."""


def function(plan: Plan, work: Work) -> None:
    """y = one of FUNCTIONS of x."""
    x, y = work["x"], work["y"]
    first, *others = FUNCTIONS[work.name](work)
    layout, place = plan.flat(x)
    computation = PrimitiveDescriptor(
        *("eltwise_forward", FORWARD_INFERENCE, first[0], layout, layout, *first[1:]),
        attributes=Attributes(functions=others),
    )
    plan.execute(computation, {SRC: plan.read(x, layout, place), DST: plan.write(y, layout, place)})


def gradient(plan: Plan, work: Work) -> None:
    """dx = dy times the slope of one of GRADIENTS at x."""
    kind, *numbers = GRADIENTS[work.name](work)
    dy, dx = work["dy"], work["dx"]
    known, argument = (work["y"], DST) if "y" in work.arguments else (work["x"], SRC)
    layout, place = plan.flat(known)
    forward = PrimitiveDescriptor("eltwise_forward", FORWARD_TRAINING, kind, layout, layout, *numbers)
    computation = PrimitiveDescriptor("eltwise_backward", kind, layout, layout, layout, *numbers, forward)
    operands = {
        argument: plan.read(known, layout, place),
        DIFF_DST: plan.read(dy, layout, place),
        DIFF_SRC: plan.write(dx, layout, place),
    }
    plan.execute(computation, operands)


def exponential_grad(plan: Plan, work: Work) -> None:
    """dx = dy scale y."""
    multiplied(plan, work["y"], work["dy"], work["dx"], [(LINEAR, work["scale"], 0.0)])


def loop(plan: Plan, work: Work) -> None:
    """One of LOOPS."""
    from caffe_sdk.engine.portable.loops import neuron as loops  # Numba is loaded where it is needed

    *read, written = (value for value in work.arguments.values() if isinstance(value, Tensor))
    layout, place = plan.flat(read[0], padded=False)
    operands = [plan.read(tensor, layout, place) for tensor in read]
    operands.append(plan.write(written, layout, place))
    numbers = (layout.dtype.type(work[name]) for name in LOOPS[work.name])
    plan.step(f"loop {work.name}", getattr(loops, work.name), *operands, *numbers)


def prelu(plan: Plan, work: Work) -> None:
    """y = max(x, 0) + slope min(x, 0)."""
    x, slope, y = work["x"], work["slope"], work["y"]
    layout = plan.shaped(x)
    computation = _prelu(layout, slope)
    operands = {
        SRC: plan.read(x, layout),
        WEIGHTS: _slope(plan.read, slope, computation.layout(WEIGHTS)),
        DST: plan.write(y, layout),
    }
    plan.execute(computation, operands)


def prelu_grad(plan: Plan, work: Work) -> None:
    """dx = dy where x > 0, else slope dy, and dslope += sum of dy min(x, 0), or one of them alone."""
    x, dy = work["x"], work["dy"]
    slope, dx, dslope = (work.arguments.get(name) for name in ("slope", "dx", "dslope"))
    layout = plan.shaped(x)
    forward = _prelu(layout, work["slope" if slope is not None else "dslope"])
    weights = forward.layout(WEIGHTS)
    computation = PrimitiveDescriptor("prelu_backward", layout, weights, layout, weights, layout, forward)
    operands = {
        SRC: plan.read(x, layout),
        DIFF_DST: plan.read(dy, layout),
        WEIGHTS: _slope(plan.read, slope, weights) if slope is not None else plan.room(weights),
        DIFF_WEIGHTS: _slope(plan.update, dslope, weights) if dslope is not None else plan.room(weights),
        DIFF_SRC: plan.write(dx, layout) if dx is not None else plan.room(layout),
    }
    plan.execute(computation, operands)


def _prelu(layout: Descriptor, slope: Tensor) -> PrimitiveDescriptor:
    return PrimitiveDescriptor(
        "prelu_forward", FORWARD_TRAINING, layout, any_layout(_spread(layout.dims, slope)), layout
    )


def _spread(x: Shape, slope: Tensor) -> Shape:
    """The slopes' sizes with as many axes as x has."""
    return (1, slope.count, *(1,) * (len(x) - 2))


def _slope(use: Callable[..., Operand], slope: Tensor, layout: Descriptor) -> Operand:
    """The slopes as one of a plan's operands, in a layout of oneDNN's."""
    return use(slope, layout, place_of(layout, plain(layout.dims)))


def dropout(plan: Plan, work: Work) -> None:
    """y = x mask, where the mask is drawn as the reference draws it, whatever layout x is in."""
    x, y, mask, ratio, rng = (work[name] for name in ("x", "y", "mask", "ratio", "rng"))

    def draw(factors: Array) -> None:
        factors[:] = rng.random(factors.shape, factors.dtype) >= ratio
        factors *= factors.dtype.type(1 / (1 - ratio))

    plan.step("draw mask", draw, plan.write(mask, plain(mask.shape)))
    multiplied(plan, x, mask, y)


def dropout_grad(plan: Plan, work: Work) -> None:
    """dx = dy mask."""
    multiplied(plan, work["dy"], work["mask"], work["dx"])
