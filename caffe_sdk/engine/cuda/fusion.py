"""Calls that one pass over the result computes together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from caffe_sdk.engine.operation import Call
from caffe_sdk.memory import Tensor


class Step(NamedTuple):
    """A method of the engine, the calls it computes, and what to give it."""

    means: str
    calls: tuple[Call, ...]
    arguments: dict[str, Any]
    instead: tuple[Call, ...] = ()
    """Calls that do the same in a row, where they are not the ones it computes."""

    @property
    def planned(self) -> tuple[Call, ...]:
        """What says which memories it works on, and may be computed one by one."""
        return self.instead or self.calls


RECTIFIED = {
    "convolution": "finished_convolution",
    "inner_product": "rectified_inner_product",
    "add_all": "rectified_add_all",
    "weighted_sum": "rectified_weighted_sum",
}
"""Methods of the engine that end in a ReLU."""
SCALED = {"batch_norm": "scaled_batch_norm", "batch_norm_global": "scaled_batch_norm_global"}
"""Methods of the engine that end in a scale and a shift, and perhaps in a ReLU."""

GRADIENTS = ("relu_grad", "affine_grad_shift", "affine_grad_scale", "affine_grad_data", "batch_norm_grad")
"""Of a normalization with a Scale and perhaps a ReLU behind it, in the order they are computed."""


@dataclass(frozen=True)
class Scaling:
    """What is done to normalized values: kept as they are, then scale v + shift, then a ReLU; None for what is not."""

    kept: Tensor | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None
    negative_slope: float | None = None


@dataclass(frozen=True)
class ScalingGradient:
    """What a gradient goes back through before it comes to the normalization; None for what is not there."""

    top: Tensor | None = None
    """What the ReLU made."""
    negative_slope: float = 0.0
    scale: Tensor | None = None
    kept: Tensor | None = None
    """What was scaled."""
    dscale: Tensor | None = None
    dshift: Tensor | None = None


def fused(calls: Sequence[Call]) -> Iterator[Step]:
    """Every call, or several, as a step."""
    i = 0
    while i < len(calls):
        alone = Step(calls[i].name, (calls[i],), calls[i].arguments)
        step = _rectified(calls, i) or _scaled(calls, i) or _scaled_gradient(calls, i) or alone
        yield step
        i += len(step.calls)


def _rectified(calls: Sequence[Call], i: int) -> Step | None:
    """A product or a sum, and the ReLU behind it."""
    relu = _next(calls, i + 1, "relu", calls[i])
    if calls[i].name not in RECTIFIED or relu is None:
        return None
    given = {**calls[i].arguments, "negative_slope": relu["negative_slope"]}
    return Step(RECTIFIED[calls[i].name], (calls[i], relu), given)


def _scaled(calls: Sequence[Call], i: int) -> Step | None:
    """A batch normalization and the Scale behind it, which may keep what it is given, and perhaps a ReLU."""
    norm = calls[i]
    if norm.name not in SCALED:
        return None
    copy = calls[i + 1] if i + 1 < len(calls) else norm
    kept = copy["y"] if copy.name == "copy" and _all_of(copy["x"], norm["y"]) else None
    if kept is not None and (kept.memory is norm["y"].memory or kept.count != norm["y"].count):
        return None
    behind = i + 1 if kept is None else i + 2
    affine = _next(calls, behind, "affine", norm)
    if affine is None or not _by_channel(affine, norm["y"]):
        return None
    relu = _next(calls, behind + 1, "relu", norm)
    slope = None if relu is None else relu["negative_slope"]
    scaling = Scaling(kept, affine["scale"], affine["shift"], slope)
    group = tuple(calls[i : behind + (1 if relu is None else 2)])
    return Step(SCALED[norm.name], group, {**norm.arguments, "scaling": scaling})


def _scaled_gradient(calls: Sequence[Call], i: int) -> Step | None:
    """The gradient of such a normalization: all in place, so that nothing of what is between is left in the end."""
    chain = list(takewhile(lambda call: call.name in GRADIENTS, calls[i : i + len(GRADIENTS)]))
    names = [call.name for call in chain]
    if "batch_norm_grad" in names:
        del chain[names.index("batch_norm_grad") + 1 :]
    by_name = {call.name: call for call in chain}
    in_order = [by_name[name] for name in GRADIENTS if name in by_name]
    if in_order != chain or not {"affine_grad_data", "batch_norm_grad"} <= by_name.keys():
        return None
    norm, data = by_name["batch_norm_grad"], by_name["affine_grad_data"]
    if not all(_in_place(call, norm["dx"]) for call in chain) or data["scale"].shape != norm["dx"].shape[1:2]:
        return None
    relu, scale, shift = (by_name.get(name) for name in ("relu_grad", "affine_grad_scale", "affine_grad_shift"))
    scaling = ScalingGradient(
        top=None if relu is None else relu["x"],
        negative_slope=0.0 if relu is None else relu["negative_slope"],
        scale=data["scale"],
        kept=None if scale is None else scale["x"],
        dscale=None if scale is None else scale["dscale"],
        dshift=None if shift is None else shift["dshift"],
    )
    return Step("scaled_batch_norm_grad", tuple(chain), {**norm.arguments, "scaling": scaling})


def _in_place(call: Call, made: Tensor) -> bool:
    """Whether a gradient is taken from and left in one place, and coefficients are those of channels."""
    sides = [call[side] for side in ("dy", "dx") if side in call.arguments]
    shaped = all(side.shape == made.shape for side in sides) and len(made.shape) > 1
    return shaped and all(_all_of(side, made) for side in sides) and call.arguments.get("axis", 1) == 1


def _next(calls: Sequence[Call], i: int, name: str, made: Call) -> Call | None:
    """Call i, if it is of this name, in place on all that a call made."""
    if i >= len(calls) or calls[i].name != name:
        return None
    return calls[i] if all(_all_of(calls[i][side], made["y"]) for side in ("x", "y")) else None


def _all_of(tensor: Tensor, made: Tensor) -> bool:
    return tensor.memory is made.memory and tensor.count == made.count


def _by_channel(affine: Call, made: Tensor) -> bool:
    """Whether coefficients are those of channels, as normalization counts them, and not what it makes."""
    some = [t for t in (affine["scale"], affine["shift"]) if t is not None]
    own = all(t.shape == made.shape[1:2] and t.memory is not made.memory for t in some)
    return own and affine["axis"] == 1 and len(made.shape) > 1 and affine["x"].shape == made.shape
