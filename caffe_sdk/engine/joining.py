"""What makes numbers may do what comes behind it as well, and nobody can tell.

What is between is overwritten, or nobody wants it after the program, or it can still be had when somebody looks.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from caffe_sdk.engine.work import Row, Work, fuse
from caffe_sdk.memory import Shape, SyncedMemory


def drop_unread(row: Row) -> None:
    """Copies that nobody reads, as those for gradients that will not be computed."""
    for i, work in row:
        if work.name == "copy" and row.dies(i, work["y"].memory):
            row.replace(i, None)


def fuse_relu(row: Row, rectifiable: Container[str]) -> None:
    """What makes numbers rectifies them as well; the ReLU's gradient needs no more than its result."""
    for i, work in row:
        if work.name not in rectifiable or "relu" in work.arguments:
            continue
        j = next_of(row, i, work["y"].memory, "relu", "x")
        if j is None or not joins(row, i, j, work["y"].memory):
            continue
        slope = float(row[j]["negative_slope"])
        if not (slope and work.name.startswith("batch_norm")):
            join(row, i, j, work.name, y=row[j]["y"], relu=slope)


def fuse_affine(row: Row) -> None:
    """A normalization scales and shifts what it normalized, which its own gradient and the scale's can still have."""
    for i, work in row:
        if work.name not in ("batch_norm", "batch_norm_global") or "scale" in work.arguments:
            continue
        y = work["y"].memory
        j = next_of(row, i, y, "affine", "x")
        if j is None or not by_channel(row[j], work["x"].shape):
            continue
        target = row[j]["y"]
        if work.name == "batch_norm_global":
            if joins(row, i, j, y):
                join(row, i, j, work.name, y=target)
        elif target.memory is not work["x"].memory and joins(row, i, j, y, ("affine_grad_scale",)):
            before = work["y"] if target.memory is not y else None
            join(row, i, j, work.name, y=target, before=before)


def fuse_norm(row: Row) -> None:
    """A convolution multiplies what it makes of each channel, and adds to it: a normalization by what is known."""
    for i, work in row:
        if work.name != "convolution" or work["geometry"].axis != 1:
            continue
        y = work["y"]
        j = row.after(i, y.memory)
        if j is None or row[j].name not in ("batch_norm_global", "affine") or row[j]["x"].memory is not y.memory:
            continue
        if by_channel(row[j], y.shape) and joins(row, i, j, y.memory):
            join(row, i, j, work.name, y=row[j]["y"], norm=row[j])


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
        if len(others) == 1 and joins(row, i, j, y):
            join(row, i, j, work.name, y=row[j]["y"], residual=others[0])


def next_of(row: Row, i: int, memory: SyncedMemory, name: str, parameter: str) -> int | None:
    """The next position whose work touches a memory, if that is a work of a name which has it for a parameter."""
    j = row.after(i, memory)
    found = j is not None and row[j].name == name and row[j][parameter].memory is memory
    return j if found else None


def joins(row: Row, i: int, j: int, link: SyncedMemory, readers: tuple[str, ...] | None = None) -> bool:
    """Whether what is done at ``j`` could be done at ``i`` at once, the memory that links them not being written.

    With ``readers`` its numbers can be had in another way, which costs nothing if none but those read them.
    """
    hidden = link in row[j].overwrites or row.dies(j, link)
    if not hidden and readers is not None:
        hidden = all(row[k].name in readers for k in row.until_overwritten(j, link))
    apart = (row[j].writes - {link}).isdisjoint(row[i].touches - {link})
    return hidden and apart and row.movable(j, i, link)


def join(row: Row, i: int, j: int, name: str, **arguments: Any) -> None:
    """One work of two, at the first one's position."""
    joined = fuse(name, [row[i], row[j]], **arguments)
    row.replace(j, None)
    row.replace(i, joined)


def by_channel(affine: Work, x: Shape) -> bool:
    """Whether coefficients are those of channels, if there are any."""
    found = (affine.arguments.get(name) for name in ("scale", "shift", "dscale", "dshift"))
    shapes = {tensor.shape for tensor in found if tensor is not None}
    return affine.arguments.get("axis", 1) == 1 and len(x) > 1 and shapes <= {x[1:2]}
