"""Neighbours that one primitive computes become one piece of work, and nobody can tell.

What is between them is overwritten, or nobody wants it after the program, or it can still be had when somebody looks.
"""

from __future__ import annotations

from typing import Any

from caffe_sdk.engine.cpu.work import Row, Work, fuse
from caffe_sdk.memory import Shape, SyncedMemory

RECTIFIABLE = ("convolution", "inner_product", "add_all", "batch_norm", "batch_norm_global")
"""What a ReLU is fused with; with the last two if it has no slope."""
AFFINE_GRADIENTS = ("affine_grad_shift", "affine_grad_scale", "affine_grad_data")


def fuse_relu(row: Row) -> None:
    """What makes numbers rectifies them as well; the ReLU's gradient needs no more than its result."""
    for i, work in row:
        if work.name not in RECTIFIABLE or "relu" in work.arguments:
            continue
        j = _next(row, i, work["y"].memory, "relu", "x")
        if j is None or not _joins(row, i, j, work["y"].memory):
            continue
        slope = float(row[j]["negative_slope"])
        if not (slope and work.name.startswith("batch_norm")):
            _join(row, i, j, work.name, y=row[j]["y"], relu=slope)


def fuse_affine(row: Row) -> None:
    """A normalization scales and shifts what it normalized, which its own gradient and the scale's can still have."""
    for i, work in row:
        if work.name not in ("batch_norm", "batch_norm_global") or "scale" in work.arguments:
            continue
        y = work["y"].memory
        j = _next(row, i, y, "affine", "x")
        if j is None or not _by_channel(row[j], work["x"].shape):
            continue
        target = row[j]["y"]
        if work.name == "batch_norm_global":
            if _joins(row, i, j, y):
                _join(row, i, j, work.name, y=target)
        elif target.memory is not work["x"].memory and _joins(row, i, j, y, ("affine_grad_scale",)):
            before = work["y"] if target.memory is not y else None
            _join(row, i, j, work.name, y=target, before=before)


def fuse_norm(row: Row) -> None:
    """A convolution multiplies what it makes of each channel, and adds to it: a normalization by what is known."""
    for i, work in row:
        if work.name != "convolution" or work["geometry"].axis != 1:
            continue
        y = work["y"]
        j = row.after(i, y.memory)
        if j is None or row[j].name not in ("batch_norm_global", "affine") or row[j]["x"].memory is not y.memory:
            continue
        if _by_channel(row[j], y.shape) and _joins(row, i, j, y.memory):
            _join(row, i, j, work.name, y=row[j]["y"], norm=row[j])


def fuse_residual(row: Row) -> None:
    """A convolution adds something else to what it makes."""
    for i, work in row:
        if work.name != "convolution":
            continue
        y = work["y"].memory
        j = row.after(i, y)
        if j is None or row[j].name != "add_all" or len(row[j]["xs"]) != 2:
            continue
        others = [x for x in row[j]["xs"] if x.memory is not y]
        if len(others) == 1 and _joins(row, i, j, y):
            _join(row, i, j, work.name, y=row[j]["y"], residual=others[0])


def fuse_pool(row: Row) -> None:
    """Of what a convolution makes, only the maximum of each window is wanted."""
    for i, work in row:
        if work.name != "convolution" or any(name in work.arguments for name in ("norm", "residual")):
            continue
        y = work["y"].memory
        j = _next(row, i, y, "max_pool", "x")
        if j is not None and row[j]["mask"] is None and _joins(row, i, j, y):
            _join(row, i, j, "convolution_and_pool", y=row[j]["y"], pool=row[j]["geometry"])


def replace_residual(row: Row) -> None:
    """The sum of a convolution and a residual that nobody wants afterwards may be put where the residual was."""
    for i, work in row:
        residual = work.arguments.get("residual")
        if residual is None or residual.memory in (work["x"].memory, work["y"].memory):
            continue
        if residual.memory in row.lost and row.dies(i, residual.memory):
            row.replace(i, Work(work.name, {**work.arguments, "over": True}, work.calls, work.parts))


def fuse_affine_grad(row: Row) -> None:
    """The gradients for scale, shift and input, which follow each other."""
    last: int | None = None
    for i, work in row:
        if work.name in AFFINE_GRADIENTS and last is not None and _together(row[last], work):
            row.replace(i, fuse("affine_grad", [row[last], work]))
            row.replace(last, None)
        last = i


def _together(first: Work, second: Work) -> bool:
    """Whether a gradient for coefficients comes with those before it."""
    if first.name not in ("affine_grad", *AFFINE_GRADIENTS) or second.name in [part.name for part in _leaves(first)]:
        return False
    same = first["dy"].memory is second["dy"].memory and first["axis"] == second["axis"]
    return same and "dx" not in first.arguments


def _leaves(work: Work) -> list[Work]:
    return [leaf for part in work.parts for leaf in _leaves(part)] if work.parts else [work]


def fuse_norm_grad(row: Row) -> None:
    """The gradient of a normalization goes through scale and shift, and through a ReLU behind them."""
    for i, work in row:
        if work.name in ("affine_grad", "affine_grad_data") and _by_channel(work, work["dy"].shape):
            j = _next(row, i, work["dx"].memory, "batch_norm_grad", "dy") if "dx" in work.arguments else None
            if j is not None and _joins(row, i, j, work["dx"].memory):
                before = work.arguments.get("x")
                _join(row, i, j, "batch_norm_grad", dx=row[j]["dx"], before=before)
    for i, work in row:
        if work.name == "relu_grad" and work["negative_slope"] == 0:
            j = _next(row, i, work["dx"].memory, "batch_norm_grad", "dy")
            if j is not None and _joins(row, i, j, work["dx"].memory) and work["x"].memory not in row[j].writes:
                _join(row, i, j, "batch_norm_grad", dx=row[j]["dx"], result=work["x"])


def fuse_prelu_grad(row: Row) -> None:
    """Both gradients of a PReLU, of which one primitive computes the two at once."""
    last: int | None = None
    for i, work in row:
        pair = last is not None and (row[last].name, work.name) == ("prelu_grad_slope", "prelu_grad_data")
        if last is not None and pair and all(row[last][name].memory is work[name].memory for name in ("x", "dy")):
            row.replace(i, fuse("prelu_grad", [row[last], work]))
            row.replace(last, None)
        last = i


def _next(row: Row, i: int, memory: SyncedMemory, name: str, parameter: str) -> int | None:
    """The next position whose work touches a memory, if that is a work of a name which has it for a parameter."""
    j = row.after(i, memory)
    found = j is not None and row[j].name == name and row[j][parameter].memory is memory
    return j if found else None


def _joins(row: Row, i: int, j: int, link: SyncedMemory, readers: tuple[str, ...] | None = None) -> bool:
    """Whether what is done at ``j`` could be done at ``i`` at once, the memory that links them not being written.

    With ``readers`` its numbers can be had in another way, which costs nothing if none but those read them.
    """
    hidden = link in row[j].overwrites or row.dies(j, link)
    if not hidden and readers is not None:
        hidden = all(row[k].name in readers for k in row.until_overwritten(j, link))
    apart = (row[j].writes - {link}).isdisjoint(row[i].touches - {link})
    return hidden and apart and row.movable(j, i, link)


def _join(row: Row, i: int, j: int, name: str, **arguments: Any) -> None:
    """One work of two, at the first one's position."""
    joined = fuse(name, [row[i], row[j]], **arguments)
    row.replace(j, None)
    row.replace(i, joined)


def _by_channel(affine: Work, x: Shape) -> bool:
    """Whether coefficients are those of channels, if there are any."""
    found = (affine.arguments.get(name) for name in ("scale", "shift", "dscale", "dshift"))
    shapes = {tensor.shape for tensor in found if tensor is not None}
    return affine.arguments.get("axis", 1) == 1 and len(x) > 1 and shapes <= {x[1:2]}
