"""Where a position of one top lies in another, and the Crop layer that aligns the two, as pycaffe has it.

A map is (axis, scale, shift): along each axis from ``axis`` on, position x of a layer's input lies at
``scale * x + shift`` of its output. Layers that move nothing have (None, 1, 0). Scale and shift are numbers, or arrays
with one value per axis. ::

    n.score = crop(n.upscore, n.data)  # as large as the data, and in its place
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_sdk.errors import GraphError
from caffe_sdk.net_spec import Function, Top, layers

Values = float | NDArray[Any]
Map = tuple[int | None, Values, Values]

PASS_THROUGH_LAYERS = [
    "AbsVal",
    "BatchNorm",
    "Bias",
    "BNLL",
    "Dropout",
    "Eltwise",
    "ELU",
    "Log",
    "LRN",
    "Exp",
    "MVN",
    "Power",
    "ReLU",
    "PReLU",
    "Scale",
    "Sigmoid",
    "Split",
    "TanH",
    "Threshold",
]
"""Types whose output lies where their input does."""

LEGACY = {"pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w"}


class UndefinedMapException(GraphError):
    """A layer whose output has no place in its input, such as InnerProduct."""


class AxisMismatchException(GraphError):
    """Maps along different axes."""


class CropException(GraphError, AssertionError):
    """Tops that cannot be aligned by cropping; an AssertionError too, as in pycaffe."""


def conv_params(fn: Function) -> tuple[int, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(axis, stride, extent of the dilated kernel, pad) of a layer that slides a window.

    They are the layer's own parameters, or in its ``convolution_param``. Raises GraphError for a layer without
    ``kernel_size``, CropException for kernel_h and its like.
    """
    params = fn.params.get("convolution_param", fn.params)
    if legacy := LEGACY & {*params, *fn.params}:
        what = f"cropping does not support legacy _h/_w params: {', '.join(sorted(legacy))}"
        raise CropException(fn.type_name, what, "give kernel_size, stride and pad")
    if "kernel_size" not in params:
        raise GraphError(fn.type_name, "its kernel_size is not known", "give kernel_size")
    kernel, stride, pad, dilation = (
        np.array(params.get(name, default), ndmin=1)
        for name, default in [("kernel_size", 0), ("stride", 1), ("pad", 0), ("dilation", 1)]
    )
    return params.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, NDArray[Any]]:
    """(axis, offset) of a Crop layer: the first axis that is cropped, and where the result begins."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> Map:
    """The map of one layer. Raises UndefinedMapException for a type that has none."""
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name in PASS_THROUGH_LAYERS:
        return None, 1, 0
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset
    raise UndefinedMapException(fn.type_name, "its output has no place in its input")


def compose(base_map: Map, next_map: Map) -> Map:
    """The map that is ``next_map`` first and then ``base_map``. Raises AxisMismatchException."""
    axis1, scale1, shift1 = base_map
    axis2, scale2, shift2 = next_map
    if axis1 is not None and axis2 is not None and axis1 != axis2:
        raise AxisMismatchException("coord_map", f"one map is along axis {axis1}, the other along axis {axis2}")
    return axis2 if axis1 is None else axis1, scale1 * scale2, scale1 * shift2 + shift1


def inverse(coord_map: Map) -> Map:
    """The map in the other direction."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map from one top to another, through a blob that both are made from.

    Raises GraphError (a RuntimeError, as in pycaffe) where no layers with maps connect them.
    """
    from_maps = _ancestors(top_from, {})
    common = _ancestors(top_to, from_maps)
    for top, to_map in common.items():
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise GraphError(
        "coord_map", "Could not compute map between tops", "are they connected by spatial layers? Name such tops"
    )


def _ancestors(top: Top, goals: dict[Top, Map]) -> dict[Top, Map]:
    """Maps to ``top`` from each blob it is made of, as far as layers have maps, and not beyond the goals."""
    maps: dict[Top, Map] = {top: (None, 1, 0)}
    waiting = [top]
    while waiting:
        at = waiting.pop()
        if at in goals:
            continue
        try:
            layer_map = coord_map(at.fn)
        except UndefinedMapException:
            continue
        # All bottoms of a layer lie in the same place; but the second of Crop is only there for its size.
        for bottom in at.fn.inputs[: 1 if at.fn.type_name == "Crop" else None]:
            if bottom not in maps:
                maps[bottom] = compose(maps[at], layer_map)
                waiting.append(bottom)
    return maps


def crop(top_from: Top, top_to: Top) -> Any:
    """A Crop layer's top: ``top_from`` where ``top_to`` lies.

    Raises GraphError where they are not connected; CropException where they differ in scale, or where the second begins
    before the first or between two of its positions.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    offset = -np.atleast_1d(shift)
    if not np.all(np.asarray(scale) == 1):
        raise CropException("crop", f"scale mismatch on crop (a = {scale})", "give tops of the same scale")
    if not np.all(offset >= 0):
        raise CropException("crop", f"cannot crop negative offset (b = {shift})", "pad more, or swap the two")
    if not np.all(offset == np.round(offset)):
        raise CropException("crop", f"cannot crop noninteger offset (b = {shift})", "change a pad by half a kernel")
    first = 2 if axis is None else axis + 1  # nothing moved either: the spatial axes
    return layers.Crop(top_from, top_to, crop_param={"axis": first, "offset": [int(each) for each in offset]})
