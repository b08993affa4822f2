"""What is computed in one step where nobody wants what is between: a convolution and all that is done to its result."""

from __future__ import annotations

from collections.abc import Sequence, Set

from caffe_sdk.engine.cuda.folding import Folding, sources_of
from caffe_sdk.engine.cuda.fusion import Step, fused
from caffe_sdk.engine.joining import drop_unread, fuse_affine, fuse_norm, fuse_relu, fuse_residual
from caffe_sdk.engine.operation import OPERATIONS, Call
from caffe_sdk.engine.work import Row, Work, single
from caffe_sdk.memory import SyncedMemory, Tensor

PARTS = ("x", "weight", "bias", "y", "geometry")


def arranged(calls: Sequence[Call], lost: Set[SyncedMemory]) -> tuple[list[Step], list[Folding]]:
    """The calls as steps, when nobody wants what is in ``lost`` afterwards, and the weights that some are given."""
    steps: list[Step] = []
    foldings: list[Folding] = []
    if not lost:
        return list(fused(calls)), foldings
    row = Row(map(single, calls), lost)
    drop_unread(row)
    fuse_affine(row)
    fuse_norm(row)
    fuse_residual(row)
    fuse_relu(row, ("convolution",))
    made = {tensor.memory for call in calls for tensor in call.writes()}
    plain: list[Call] = []
    for work in row.works():
        if _finishes(work, made):
            steps += fused(plain)
            steps.append(_finished(work, foldings))
            plain = []
        else:
            plain += work.calls
    return [*steps, *fused(plain)], foldings


def _finishes(work: Work, made: Set[SyncedMemory]) -> bool:
    """Whether a work is a convolution with more behind it, and weights that are what they are before all of it."""
    if work.name != "convolution" or not work.parts:
        return False
    y, residual, norm = work["y"].memory, work.arguments.get("residual"), work.arguments.get("norm")
    apart = work["x"].memory is not y and (residual is None or residual.memory is not y)
    return apart and (norm is None or sources_of(work["weight"], work["bias"], norm).isdisjoint(made))


def _finished(work: Work, foldings: list[Folding]) -> Step:
    """The step, and calls that do the same one by one: with the weights that it has, and in place."""
    first = work.calls[0]
    given = {name: work[name] for name in PARTS}
    norm, residual, slope = (work.arguments.get(name) for name in ("norm", "residual", "relu"))
    if norm is not None:
        folding = Folding(work["weight"], work["bias"], norm, first.where)
        foldings.append(folding)
        given |= {"weight": folding.weight, "bias": folding.bias}
    y: Tensor = work["y"]
    instead = [Call(first.operation, given, first.where)]
    if residual is not None:
        instead.append(OPERATIONS["add_all"].bind(([y, residual], y), {}, _where(work, "add_all")))
    if slope is not None:
        instead.append(OPERATIONS["relu"].bind((y, y, slope), {}, _where(work, "relu")))
    arguments = {**given, "residual": residual, "negative_slope": slope}
    return Step("finished_convolution", work.calls, arguments, tuple(instead))


def _where(work: Work, name: str) -> str:
    """The layer that asked for a part of a work."""
    return next(call.where for call in work.calls if call.name == name)
