"""NetSpecs that were put together elsewhere: layers and what they take from one another, told as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from caffe_sdk.errors import ArgumentError
from caffe_sdk.net_spec import Function, NetSpec


@dataclass(frozen=True)
class SpecLayer:
    """A layer of a NetSpec in the making. ``inputs`` are tops: (number of a layer before, which of its tops)."""

    type: str
    inputs: Sequence[tuple[int, int]] = ()
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SpecTop:
    """What was assigned to a name: top number ``top`` of a layer, or for -1 a layer without tops."""

    name: str
    layer: int
    top: int


def proto_of(layers: Sequence[SpecLayer], tops: Sequence[SpecTop]) -> Any:
    """The NetParameter that a NetSpec of Python gives of them. Raises what `NetSpec.to_proto` does, and ArgumentError
    for numbers that name nothing.
    """
    made: list[Function] = []
    spec = NetSpec()
    try:
        for layer in layers:
            made.append(Function(layer.type, [_top(made, *given) for given in layer.inputs], layer.params))
        for top in tops:
            spec[top.name] = made[top.layer] if top.top < 0 else _top(made, top.layer, top.top)
    except IndexError:
        raise ArgumentError("NetSpec", "a layer takes from one that is not there", "make layers in order") from None
    return spec.to_proto()


def _top(made: Sequence[Function], layer: int, top: int) -> Any:
    if layer < 0 or top < 0:
        raise IndexError(layer)
    return made[layer].tops[top]
