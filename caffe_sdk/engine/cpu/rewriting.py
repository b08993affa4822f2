"""What is done to the calls of a program before they are planned, in this order."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from caffe_sdk.engine import joining
from caffe_sdk.engine.cpu import copies, fusion
from caffe_sdk.engine.operation import Call
from caffe_sdk.engine.work import Row, Work, single
from caffe_sdk.memory import SyncedMemory

REWRITINGS: list[Callable[[Row], None]] = [
    joining.drop_unread,
    copies.put_where_copied,
    copies.read_what_was_copied,
    joining.fuse_affine,
    joining.fuse_norm,
    joining.fuse_residual,
    fusion.fuse_relu,
    fusion.fuse_pool,
    fusion.fuse_affine_grad,
    fusion.fuse_norm_grad,
    fusion.fuse_prelu_grad,
    copies.join_where_made,
    copies.make_where_joined,
    fusion.replace_residual,
]


def rewritten(calls: Sequence[Call], lost: Set[SyncedMemory] = frozenset()) -> list[Work]:
    """The calls as pieces of work, when nobody wants what is in ``lost`` afterwards."""
    row = Row(copies.keep_inputs([single(call) for call in calls], frozenset(lost)), lost)
    for rewrite in REWRITINGS:
        rewrite(row)
    return row.works()
