"""What comes behind joins what makes the numbers, unless somebody would see it."""

from __future__ import annotations

import pytest

from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.joining import drop_unread, fuse_affine, fuse_norm, fuse_relu, fuse_residual
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.work import Row, single
from tests.engine.cpu.twins import tensors

GEOMETRY = ConvolutionGeometry((1, 1), (1, 1), (0, 0), (1, 1))
SHAPES = {"w": (4, 4, 1, 1), "t": (1,), "one": (2,)}
SHAPES |= dict.fromkeys(("x", "y", "z", "k", "r", "a"), (2, 4, 3, 3))
SHAPES |= dict.fromkeys(("d", "m", "v", "s", "h"), (4,))


def joined(record, lost=""):
    """The names of what is left, when nobody wants these tensors."""
    t, r = tensors(SHAPES), Recorder()
    record(r, t)
    row = Row(map(single, r.calls), [t[name].memory for name in lost])
    drop_unread(row)
    fuse_affine(row)
    fuse_norm(row)
    fuse_residual(row)
    fuse_relu(row, ("convolution",))
    return [work.name for work in row.works()], row.works()[0].arguments


def block(r, t):
    r.convolution(t["x"], t["w"], None, t["y"], GEOMETRY)
    r.batch_norm_global(t["y"], t["y"], t["d"], t["m"], t["v"], t["t"], 1e-5)
    r.copy(t["y"], t["k"])
    r.affine(t["y"], t["s"], t["h"], t["y"], 1)
    r.add_all([t["r"], t["y"]], t["a"])
    r.relu(t["a"], t["a"], 0.1)


def test_all_of_a_block_is_one_work():
    names, arguments = joined(block, "dky")
    assert names == ["convolution"]
    assert arguments["norm"].name == "batch_norm_global"
    assert (arguments["relu"], arguments["residual"].shape) == (0.1, (2, 4, 3, 3))


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        ("", ["convolution", "copy", "affine", "add_all", "relu"]),  # what is normalized is overwritten
        ("dk", ["convolution", "add_all", "relu"]),
        ("dy", ["convolution", "copy", "affine", "add_all", "relu"]),
    ],
)
def test_what_is_seen_stays(lost, left):
    assert joined(block, lost)[0] == left


def test_coefficients_of_another_axis_do_not_join():
    def calls(r, t):
        r.convolution(t["x"], t["w"], None, t["y"], GEOMETRY)
        r.affine(t["y"], t["one"], None, t["y"], 0)

    assert joined(calls)[0] == ["convolution", "affine"]


def test_a_sum_with_itself_does_not_join():
    def calls(r, t):
        r.convolution(t["x"], t["w"], None, t["y"], GEOMETRY)
        r.add_all([t["y"], t["y"]], t["a"])

    assert joined(calls, "y")[0] == ["convolution", "add_all"]


def test_what_is_made_later_does_not_join():
    def calls(r, t):
        r.convolution(t["x"], t["w"], None, t["y"], GEOMETRY)
        r.relu(t["x"], t["r"], 0.0)
        r.add_all([t["y"], t["r"]], t["a"])

    assert joined(calls, "y")[0] == ["convolution", "relu", "add_all"]
