"""Neighbours that one primitive computes become one piece of work, and nobody can tell.

What is between them is overwritten, or nobody wants it after the program, or it can still be had when somebody looks.
"""

from __future__ import annotations

from caffe_sdk.engine import joining
from caffe_sdk.engine.joining import by_channel, join, joins, next_of
from caffe_sdk.engine.work import Row, Work, fuse

RECTIFIABLE = ("convolution", "inner_product", "add_all", "batch_norm", "batch_norm_global")
"""What a ReLU is fused with; with the last two if it has no slope."""
AFFINE_GRADIENTS = ("affine_grad_shift", "affine_grad_scale", "affine_grad_data")


def fuse_relu(row: Row) -> None:
    """What makes numbers rectifies them as well."""
    joining.fuse_relu(row, RECTIFIABLE)


def fuse_pool(row: Row) -> None:
    """Of what a convolution makes, only the maximum of each window is wanted."""
    for i, work in row:
        if work.name != "convolution" or any(name in work.arguments for name in ("norm", "residual")):
            continue
        y = work["y"].memory
        j = next_of(row, i, y, "max_pool", "x")
        if j is not None and row[j]["mask"] is None and joins(row, i, j, y):
            join(row, i, j, "convolution_and_pool", y=row[j]["y"], pool=row[j]["geometry"])


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
        if work.name in ("affine_grad", "affine_grad_data") and by_channel(work, work["dy"].shape):
            j = next_of(row, i, work["dx"].memory, "batch_norm_grad", "dy") if "dx" in work.arguments else None
            if j is not None and joins(row, i, j, work["dx"].memory):
                before = work.arguments.get("x")
                join(row, i, j, "batch_norm_grad", dx=row[j]["dx"], before=before)
    for i, work in row:
        if work.name == "relu_grad" and work["negative_slope"] == 0:
            j = next_of(row, i, work["dx"].memory, "batch_norm_grad", "dy")
            if j is not None and joins(row, i, j, work["dx"].memory) and work["x"].memory not in row[j].writes:
                join(row, i, j, "batch_norm_grad", dx=row[j]["dx"], result=work["x"])


def fuse_prelu_grad(row: Row) -> None:
    """Both gradients of a PReLU, of which one primitive computes the two at once."""
    last: int | None = None
    for i, work in row:
        pair = last is not None and (row[last].name, work.name) == ("prelu_grad_slope", "prelu_grad_data")
        if last is not None and pair and all(row[last][name].memory is work[name].memory for name in ("x", "dy")):
            row.replace(i, fuse("prelu_grad", [row[last], work]))
            row.replace(last, None)
        last = i
