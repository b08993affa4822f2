"""Copies that need not be made.

A layer in place whose gradient needs its input copies it first; the gradient of a sum is copied to each term. Often
whoever made the numbers can put them straight where the copy would be, or who reads the copy can read what was copied.
What is joined can be made where it will be.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence

import numpy as np

from caffe_sdk.engine.operation import OPERATIONS
from caffe_sdk.engine.work import Row, Work, single
from caffe_sdk.memory import SyncedMemory, Tensor, new_tensor
from caffe_sdk.threads import num_threads

SHARED = 512
"""Places of an image from which on several threads had better compute it together."""

_kept: weakref.WeakKeyDictionary[SyncedMemory, Tensor] = weakref.WeakKeyDictionary()


def kept_input(normalized: Tensor) -> Tensor:
    """A tensor for the input of a batch normalization, one for each, known by what the normalization keeps itself."""
    kept = _kept.get(normalized.memory)
    if kept is None or kept.shape != normalized.shape:
        kept = _kept[normalized.memory] = new_tensor(normalized.shape)
    return kept


def is_kept(x: Tensor, normalized: Tensor) -> bool:
    """Whether x is the tensor `kept_input` gave for a normalization."""
    kept = _kept.get(normalized.memory)
    return kept is not None and kept.memory is x.memory


def keep_inputs(works: Sequence[Work], lost: frozenset[SyncedMemory]) -> list[Work]:
    """Copy the input of a batch normalization that will not be there any more when its gradient needs it."""
    last_written = {memory: i for i, work in enumerate(works) for memory in work.writes}
    result = []
    for i, work in enumerate(works):
        if work.name == "batch_norm":
            x = work["x"]
            if x.memory in lost or last_written.get(x.memory, -1) >= i:
                kept = kept_input(work["normalized"])
                result.append(single(OPERATIONS["copy"].bind((x, kept), {})))
                work = work.on({"x": kept})
        result.append(work)
    return result


def put_where_copied(row: Row) -> None:
    """a -> x, x -> copy, (x or copy) -> x  becomes  a -> copy, copy -> x."""
    for i, work in row:
        if work.name != "copy" or work["x"].memory is work["y"].memory:
            continue
        x, copy = work["x"].memory, work["y"].memory
        maker, last = row.before(i, x), row.after(i, x)
        if maker is None or last is None or row.between(maker, i, copy) or row.writes_between(i, last, copy):
            continue
        if _makes(row[maker], x, copy) and _may_read(row[last], x, copy):
            row.replace(i, None)
            row.replace(maker, row[maker].on({"y": Tensor(copy, row[maker]["y"].shape)}))
            row.replace(last, row[last].reading(x, copy))


def read_what_was_copied(row: Row) -> None:
    """x -> copy, copy -> copy  becomes  x -> copy, and so does what only reads the copy before that."""
    for i, work in row:
        if work.name != "copy" or work["x"].memory is work["y"].memory:
            continue
        x, copy = work["x"].memory, work["y"].memory
        readers = _readers(row, i, copy)
        if readers and not row.writes_between(i, readers[-1] + 1, x):
            row.replace(i, None)
            for j in readers:
                row.replace(j, row[j].reading(copy, x))


def _makes(work: Work, x: SyncedMemory, copy: SyncedMemory) -> bool:
    """Whether a work makes x, and could put it elsewhere."""
    y = work.arguments.get("y")
    made = isinstance(y, Tensor) and y.memory is x and x in work.overwrites
    return made and len(work.calls) == 1 and copy not in work.touches


def _may_read(work: Work, x: SyncedMemory, copy: SyncedMemory) -> bool:
    """Whether a work overwrites x and could read the copy instead of it."""
    return len(work.calls) == 1 and x in work.overwrites and copy not in work.writes


def _readers(row: Row, i: int, copy: SyncedMemory) -> list[int]:
    """Who reads a copy, up to who overwrites it or to the end if it is lost then; nobody if that is not how it is."""
    readers = []
    j = row.after(i, copy)
    while j is not None:
        work = row[j]
        if len(work.calls) > 1 or (copy in work.writes and copy not in work.overwrites):
            return []
        readers.append(j)
        if copy in work.writes:
            return readers
        j = row.after(j, copy)
    return readers if copy in row.lost else []


def make_where_joined(row: Row) -> None:
    """Convolutions of several images can put blocks of channels right where they are joined, if nobody else wants them.

    Each may be told where that is; who joins copies what was made elsewhere.
    """
    for i, work in row:
        if work.name != "concatenate" or work["axis"] != 1:
            continue
        xs, y = work["xs"], work["y"]
        if not all(map(_in_blocks, (*xs, y))) or not _worth_it(y):
            continue
        memories = [x.memory for x in xs]
        begin = 0
        for x in xs:
            j = row.before(i, x.memory)
            alone = memories.count(x.memory) == 1 and x.memory in row.lost and row.dies(i, x.memory)
            if j is not None and alone and _convolves(row[j], x) and not row.between(j - 1, i, y.memory):
                made = row[j]
                row.replace(j, Work(made.name, {**made.arguments, "within": (y, begin)}, made.calls, made.parts))
            begin += x.shape[1]


def _in_blocks(images: Tensor) -> bool:
    """Whether a tensor is of several images in whole blocks of channels."""
    whole = images.count == images.memory.count and images.memory.dtype == np.float32
    return whole and len(images.shape) == 4 and images.shape[0] > 1 and images.shape[1] % 16 == 0


def _worth_it(images: Tensor) -> bool:
    """Whether there is enough to do for each image: they are then computed one by one, by all threads together."""
    return num_threads() == 1 or math.prod(images.shape[2:]) >= SHARED


def _convolves(work: Work, y: Tensor) -> bool:
    """Whether a work is a convolution that makes a tensor."""
    return work.name == "convolution" and work["y"].memory is y.memory and work["y"].shape == y.shape


def join_where_made(row: Row) -> None:
    """The channels of a single image that are joined can be put there by who makes them, if nobody else wants them."""
    for i, work in row:
        if work.name == "concatenate" and work["axis"] == 1:
            xs = work["xs"]
            memories = {x.memory for x in xs}
            single_images = all(len(x.shape) == 4 and x.shape[0] == 1 for x in xs)
            unwanted = all(memory in row.lost and row.dies(i, memory) for memory in memories)
            if single_images and unwanted and len(memories) == len(xs):
                row.replace(i, Work(work.name, {**work.arguments, "apart": True}, work.calls))
