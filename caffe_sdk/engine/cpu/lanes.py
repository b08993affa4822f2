"""Batches of small images, sixteen of which lie side by side: convolutions that are pooled, and inner products.

oneDNN computes with blocks of 16 channels, of which many are idle in the first layers of small nets: LeNet has 1, 20
and 50. Here the 16 lanes of a vector belong to as many images, and channels may be as many as they like. What the
loops of `lanes_kernels` do with a `lanes_job` is said there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from caffe_sdk.engine.cpu import batchnorm
from caffe_sdk.engine.cpu.descriptors import Descriptor, plain, tagged
from caffe_sdk.engine.cpu.job import Job
from caffe_sdk.engine.cpu.lanes_job import IMAGES, LANES, ROWS, WINDOW
from caffe_sdk.engine.cpu.layouts import Layout
from caffe_sdk.engine.cpu.library import Unsupported, library
from caffe_sdk.engine.cpu.plan import Plan
from caffe_sdk.engine.cpu.primitives import DST, SRC, Operand, PrimitiveDescriptor
from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.engine.portable.job import address
from caffe_sdk.engine.work import Work
from caffe_sdk.memory import HOST, Array, Shape, Tensor
from caffe_sdk.threads import num_threads

WIDTH = 16  # lanes
VECTOR = 4 * WIDTH  # bytes
NEAR = 1 << 20
"""Bytes of sixteen images, or of all filters, up to which they stay in the cache while they are multiplied."""
FEW = 8
"""Channels of x that oneDNN takes as they are, rather than as a block."""


def lanes(dims: Shape) -> Descriptor:
    """Numbers (n / 16, ..., 16): those of sixteen images side by side."""
    return tagged(dims, f"A{'bcd'[: len(dims) - 1]}16a")


def are_in_lanes(plan: Plan, x: Tensor) -> bool:
    """Whether numbers of images are in lanes when the next step runs, in the order of their tensor."""
    place = plan.place(x.memory)
    if not isinstance(place, Layout) or place.host != plain(place.descriptor.dims):
        return False
    dims = place.descriptor.dims
    return 1 < len(dims) <= 4 and dims[0] == x.shape[0] and place.descriptor == lanes(dims)


def convolution_and_pool(plan: Plan, work: Work) -> None:
    """y = the maximum over 2 by 2 places of bias + weight * x, and a ReLU of it if one was fused."""
    x, weight, bias, y, relu = *(work[name] for name in ("x", "weight", "bias", "y")), work.arguments.get("relu")
    _check(work)
    geometry: ConvolutionGeometry = work["geometry"]
    source = _put_in_lanes(plan, x)
    operands = {
        "x": source,
        "w": plan.read(weight, plain(weight.shape)),
        "bias": _bias(plan, bias, y.shape[1]),
        "y": plan.write(y, lanes(y.shape)),
    }
    pitch = x.shape[3] * VECTOR
    down, across = geometry.stride[0] * pitch, geometry.stride[1] * VECTOR
    values = {"height": y.shape[2], "width": y.shape[3], "across": across, "down": down}
    images = _blocks(y.shape[0])
    sizes = {"items": images * y.shape[2], "filters": y.shape[1], **values}
    taps = _taps(x.shape, geometry)
    _step(plan, "convolution_forward lanes", "convolve_and_pool", sizes, taps, relu, operands)


def _check(work: Work) -> None:
    """Unsupported unless windows are such as the loop pools, and oneDNN's lanes would be idle for more of the time."""
    geometry: ConvolutionGeometry = work["geometry"]
    pool: PoolingGeometry = work["pool"]
    x, y, relu = work["x"], work["y"], work.arguments.get("relu")
    if relu is not None and relu < 0:
        raise Unsupported("lanes", "the order turned around before the maximum")
    if geometry.axis != 1 or len(geometry.kernel) != 2 or geometry.group != 1 or any(geometry.pad):
        raise Unsupported("lanes", f"{geometry}")
    places = tuple(WINDOW * size for size in y.shape[2:])
    if {*pool.kernel, *pool.stride} != {WINDOW} or any(pool.pad) or geometry.output_size(x.shape[2:]) != places:
        raise Unsupported("lanes", f"{pool}")
    n, channels = x.shape[:2]
    if _idle(n) >= _idle(y.shape[1]) * (_idle(channels) if channels > FEW else 1):
        raise Unsupported("lanes", f"{n} images of {channels} and {y.shape[1]} channels")
    if max(VECTOR * x.count // n, 4 * work["weight"].count) > NEAR:
        raise Unsupported("lanes", "images that do not stay in the cache")


def _idle(count: int) -> float:
    """How many times the work is done, in whole vectors."""
    return _blocks(count) * WIDTH / count


def _blocks(count: int) -> int:
    return -(-count // WIDTH)


def _taps(x: Shape, geometry: ConvolutionGeometry) -> Array:
    """How far from a place in x what each number of a filter is multiplied by is, in bytes."""
    _, channels, height, width = x
    kernel, dilation = geometry.kernel, geometry.dilation
    planes, rows, columns = np.ogrid[:channels, : kernel[0], : kernel[1]]
    taps: Array = ((planes * height + rows * dilation[0]) * width + columns * dilation[1]).astype(np.int64).ravel()
    return VECTOR * taps


def inner_product(plan: Plan, work: Work) -> None:
    """y = weight x + bias, and a ReLU of it if one was fused, of images that are in lanes."""
    x, weight, bias, y = (work[name] for name in ("x", "weight", "bias", "y"))
    blocks, (rows, columns) = _blocks(x.shape[0]), weight.shape
    if blocks < IMAGES or work["transpose"] or plan.place(weight.memory) is not HOST:
        raise Unsupported("lanes", f"a product with {blocks} times sixteen images, or another layout of the matrix")
    place = plan.place(x.memory)
    assert isinstance(place, Layout)
    operands = {
        "x": plan.read(x, place.descriptor, place),
        "w": plan.read(weight, plain(weight.shape)),
        "bias": _bias(plan, bias, rows),
        "y": plan.write(y, lanes((x.shape[0], rows))),
    }
    at_once = -(-rows // ROWS)
    of_part = ROWS * (at_once if num_threads() == 1 else -(-at_once // min(at_once, 4 * num_threads())))
    sizes = {"items": -(-rows // of_part), "filters": rows, "blocks": blocks, "of_part": of_part}
    taps = VECTOR * np.arange(columns, dtype=np.int64)
    _step(plan, "inner_product_forward lanes", "multiply_lanes", sizes, taps, work.arguments.get("relu"), operands)


def _put_in_lanes(plan: Plan, x: Tensor) -> Operand:
    """Images in lanes, by a step before the next if they are not."""
    target = lanes(x.shape)
    if are_in_lanes(plan, x):
        return plan.read(x, target)
    source, engine = plan.shaped(x), library().engine
    reorder = PrimitiveDescriptor("reorder", source, engine, target, engine)
    room = plan.room(target)
    plan.execute(reorder, {SRC: plan.read(x, source), DST: room})
    return room


def _bias(plan: Plan, bias: Tensor | None, count: int) -> Operand:
    return plan.read(bias if bias is not None else batchnorm.constant(count, 0.0), plain((count,)))


def _step(
    plan: Plan,
    name: str,
    loop: str,
    sizes: Mapping[str, int],
    taps: Array,
    relu: float | None,
    operands: Mapping[str, Operand],
) -> None:
    """Plan a loop on images whose sizes are those of operands."""
    of = {f"{side}_image": operands[side].descriptor for side in ("x", "y")}
    images = {field: layout.nbytes // _blocks(layout.dims[0]) for field, layout in of.items()}
    values: dict[str, Any] = {**sizes, **images, "count": len(taps), "slope": 1.0 if relu is None else relu}

    def made(taps: Array, *arrays: Array) -> Callable[[], None]:
        where = {name: address(array) for name, array in zip(operands, arrays, strict=True)}
        return Job(loop, LANES, {**values, **where, "taps": address(taps)}).run

    plan.step_made_by(name, made, taps, *operands.values())
