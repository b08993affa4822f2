"""Fillers: the first values of parameters, by the type name a FillerParameter gives.

Two numbers of a parameter's shape scale the values of xavier and msra: fan in is its count over the first axis (what
one output sees), fan out its count over the second axis (how many outputs one input reaches).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.memory import Array, Shape
from caffe_sdk.rng import Generator
from caffe_sdk.schema.messages import FillerParameter

Filler = Callable[[Shape, Any, Generator], Any]
"""Makes values for a shape (or one value for all) as a FillerParameter says, drawing from a generator."""

FILLERS: dict[str, Filler] = {}
"""Fillers by type name."""


def fill(array: Array, filler: Any, generator: Generator, where: str) -> None:
    """Fill an array in place as the FillerParameter says. ``where`` names the parameter's layer in errors.

    ``filler`` may also be a function, which is called with the array.

    Raises LayerError for an unknown type or values that make no sense, ShapeError for a shape the type cannot fill.
    """
    check(filler, array.shape, where)
    if callable(filler):
        filler(array)
    elif array.size:
        array[...] = FILLERS[filler.type](array.shape, filler, generator)


def check(filler: Any, shape: Shape, where: str) -> None:
    """Raise what `fill` would raise for an array of ``shape``, without filling."""
    if callable(filler):
        return
    name = filler.type
    if name not in FILLERS:
        raise LayerError(where, f"Unknown filler name: {name}", f"use one of {', '.join(sorted(FILLERS))}")
    if filler.sparse != -1:
        if name != "gaussian":
            raise LayerError(where, f"sparse: {filler.sparse} with filler '{name}'", "only gaussian can be sparse")
        if not shape or not 0 <= filler.sparse <= shape[0]:
            outputs = shape[0] if shape else 0
            raise LayerError(where, f"sparse: {filler.sparse} for {outputs} outputs", f"use 0 to {outputs}")
    if name == "uniform" and not filler.min <= filler.max:
        raise LayerError(where, f"uniform filler from {filler.min:g} to {filler.max:g}", "give min <= max")
    if name == "gaussian" and not filler.std >= 0:
        raise LayerError(where, f"gaussian filler of std {filler.std:g}", "give std >= 0")
    if name == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise ShapeError(where, f"bilinear filler for shape {shape}", "give 4 axes and a square kernel")


def _filler(name: str) -> Callable[[Filler], Filler]:
    """Register a function as the filler of a type name."""

    def register(function: Filler) -> Filler:
        FILLERS[name] = function
        return function

    return register


@_filler("constant")
def _constant(shape: Shape, filler: Any, generator: Generator) -> float:
    return float(filler.value)


@_filler("uniform")
def _uniform(shape: Shape, filler: Any, generator: Generator) -> Array:
    return generator.uniform(filler.min, filler.max, shape)


@_filler("gaussian")
def _gaussian(shape: Shape, filler: Any, generator: Generator) -> Array:
    """Normal values; ``sparse`` leaves that many, on average, of the weights of each input, and zeros the rest."""
    values = generator.normal(filler.mean, filler.std, shape)
    if filler.sparse != -1:
        values *= generator.random(shape) < filler.sparse / shape[0]
    return values


@_filler("positive_unitball")
def _positive_unitball(shape: Shape, filler: Any, generator: Generator) -> Array:
    """Positive values that add up to 1 for each index of the first axis."""
    values = generator.random((shape[0] if shape else 1, math.prod(shape[1:])))
    values /= values.sum(axis=1, keepdims=True)
    return values.reshape(shape)


@_filler("xavier")
def _xavier(shape: Shape, filler: Any, generator: Generator) -> Array:
    """Uniform in +-sqrt(3 / n): variance 1 / n (Glorot and Bengio, 2010)."""
    limit = math.sqrt(3 / _fan(shape, filler))
    return generator.uniform(-limit, limit, shape)


@_filler("msra")
def _msra(shape: Shape, filler: Any, generator: Generator) -> Array:
    """Normal of variance 2 / n (He and others, 2015)."""
    return generator.normal(0, math.sqrt(2 / _fan(shape, filler)), shape)


@_filler("bilinear")
def _bilinear(shape: Shape, filler: Any, generator: Generator) -> Array:
    """The kernel of bilinear interpolation, for upsampling with a Deconvolution."""
    factor = math.ceil(shape[3] / 2)
    center = (shape[3] - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(shape[3]) / factor - center)
    return np.broadcast_to(np.outer(line, line), shape)


def _fan(shape: Shape, filler: Any) -> float:
    """The n of xavier and msra."""
    count = math.prod(shape)
    fan_in = count / shape[0] if shape else 1
    fan_out = count / shape[1] if len(shape) > 1 else count
    if filler.variance_norm == FillerParameter.FAN_OUT:
        return fan_out
    return (fan_in + fan_out) / 2 if filler.variance_norm == FillerParameter.AVERAGE else fan_in
