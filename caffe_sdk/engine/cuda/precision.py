"""Which calls of a program work on values of 16 bits, and where memories then are.

Values become narrow where a convolution or an inner product makes them, for these multiply 16 bits on tensor cores, and
stay so through every operation that takes such values (`NARROW`). Other operations see floats: losses, sums of losses,
statistics, labels, indices, parameters and their gradients. Where one follows the other the memory is in both places,
and who reads it brings it there, as with any other place.

Narrow values lie channels last where a convolution makes or reads them, if that is wanted, and stay so through every
operation that takes them so (`ALIKE`, `SHAPED`). Others see them in Caffe's order, which is that of all floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from caffe_sdk.engine.cuda.dnn.shapes import MOST_AXES
from caffe_sdk.engine.cuda.formats import FLOAT32, Format
from caffe_sdk.engine.cuda.layout import Last, last
from caffe_sdk.engine.cuda.place import DevicePlace, LastPlace, NarrowPlace
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Call, Needs
from caffe_sdk.memory import Place, SyncedMemory, Tensor

MULTIPLY = {
    "convolution": "x weight y",
    "convolution_grad_data": "dy weight dx",
    "convolution_grad_weight": "x dy",
    "inner_product": "x weight y",
    "inner_product_grad_data": "dy weight dx",
    "inner_product_grad_weight": "x dy",
}
"""Operations that always take and make narrow values: which of their tensors are."""
MOVE = ("copy", "scale", "crop", "tile"), ("add_all", "weighted_sum", "product", "maximum", "concatenate")
"""Operations of values and of gradients, on x and on xs."""
NARROW = {
    **dict.fromkeys(MOVE[0], "x y"),
    **dict.fromkeys(MOVE[1], "xs y"),
    **dict.fromkeys(("max_pool", "average_pool", "stochastic_pool", "expected_pool"), "x y"),
    **dict.fromkeys(("relu", "prelu", "dropout", "sigmoid", "tanh", "elu", "swish", "bnll", "clip"), "x y"),
    **dict.fromkeys(("threshold", "absolute", "power", "exponential", "logarithm"), "x y"),
    **dict.fromkeys(("batch_norm_global", "mvn", "affine"), "x y"),
    **dict.fromkeys(("max_pool_grad", "average_pool_grad", "dropout_grad", "maximum_grad"), "dy dx"),
    **dict.fromkeys(("batch_norm_global_grad", "affine_grad_data", "crop_grad", "tile_grad"), "dy dx"),
    **dict.fromkeys(("relu_grad", "elu_grad", "swish_grad", "bnll_grad", "clip_grad"), "x dy dx"),
    **dict.fromkeys(("absolute_grad", "power_grad", "logarithm_grad", "prelu_grad_data"), "x dy dx"),
    **dict.fromkeys(("sigmoid_grad", "tanh_grad", "exponential_grad", "mvn_grad"), "y dy dx"),
    **dict.fromkeys(("prelu_grad_slope", "affine_grad_scale"), "x dy"),
    "expected_pool_grad": "x dy dx",
    "affine_grad_shift": "dy",
    "lrn": "x y scale",
    "lrn_grad": "x y scale dy dx",
    "batch_norm": "x y normalized",
    "batch_norm_grad": "normalized dy dx",
    "product_grad": "xs y dy dx",
    "softmax": "x",
}
"""Operations that do where anything they read is narrow."""


SEEK = {name for name in MULTIPLY if name.startswith("convolution")}
"""Operations that have their values channels last wherever they lay, if that is wanted."""
SHAPED = SEEK | {
    *("max_pool", "max_pool_grad", "average_pool", "average_pool_grad", "expected_pool", "expected_pool_grad"),
    *("lrn", "lrn_grad", "batch_norm", "batch_norm_grad", "batch_norm_global", "batch_norm_global_grad"),
    *("affine", "affine_grad_data", "affine_grad_scale", "affine_grad_shift"),
    *("prelu", "prelu_grad_data", "prelu_grad_slope"),
    *("concatenate", "crop", "crop_grad", "tile", "tile_grad"),
}
"""Operations that can take (images, channels, *spatial) so."""
ALIKE = {
    *("copy", "scale", "add_all", "weighted_sum", "product", "product_grad", "maximum", "maximum_grad"),
    *("relu", "dropout", "sigmoid", "tanh", "elu", "swish", "bnll", "clip", "threshold", "absolute", "power"),
    *("exponential", "logarithm", "dropout_grad", "relu_grad", "sigmoid_grad", "tanh_grad", "elu_grad", "swish_grad"),
    *("bnll_grad", "clip_grad", "absolute_grad", "power_grad", "exponential_grad", "logarithm_grad"),
}
"""Operations that compute value by value, and so in any order that is the same for all their tensors, whatever shapes
these have.
"""
MASKS = dict.fromkeys(("maximum", "maximum_grad", "dropout", "dropout_grad", "max_pool", "max_pool_grad"), "mask")
"""Tensors of these operations that lie as the values do, and are not narrow."""


@dataclass(frozen=True)
class How:
    """How a call is computed: what its kernels store values in, where memories are that are not floats then or not in
    Caffe's order, and whether values lie channels last.
    """

    real: Format = FLOAT32
    places: Mapping[SyncedMemory, Place] = field(default_factory=dict)
    last: bool = False


AS_FLOATS = How()


@dataclass(frozen=True)
class Places:
    """Where an engine's memories can be."""

    wide: DevicePlace
    """As floats."""
    values: NarrowPlace
    """Narrow."""
    gradients: NarrowPlace
    """Narrow and scaled."""
    real: Format
    """What narrow is; float32 where nothing is."""
    last: bool = False
    """Whether convolutions want narrow values channels last."""


class Plan:
    """How every call of a program is computed, given what programs before it left narrow."""

    def __init__(
        self, calls: Sequence[Call], needed: Sequence[SyncedMemory], places: Places, before: Sequence[Plan] = ()
    ) -> None:
        self._places = places
        self.narrow: dict[SyncedMemory, NarrowPlace] = {}
        """Memories that were made narrow, and where they are then."""
        self.lying: dict[SyncedMemory, Last] = {}
        """Memories that were made channels last, narrow ones and masks."""
        for plan in before:
            self.narrow.update(plan.narrow)
            self.lying.update(plan.lying)
        self.hows: list[How] = []
        self.needed: dict[tuple[SyncedMemory, Place], None] = {}
        """What has to be where before the calls are computed."""
        self.made: dict[SyncedMemory, list[Place]] = {}
        """What is where when they have been computed: first where it was made."""
        self.used: Needs = {}
        """Every buffer that they work on."""
        wanted = set(needed)
        for call in calls:
            how = self._how(call)
            self.hows.append(how)
            self._follow(call, how, wanted)

    def _how(self, call: Call) -> How:
        names = (MULTIPLY.get(call.name) or NARROW.get(call.name, "")).split()
        if self._places.real == FLOAT32 or not names:
            return AS_FLOATS
        tensors = {name: _tensors(call[name]) for name in names}
        read = {t.memory for name in names if name not in call.operation.writes for t in tensors[name]}
        if call.name not in MULTIPLY and read.isdisjoint(self.narrow):
            return AS_FLOATS
        gradients = any(memory in self.narrow and self.narrow[memory].scaled for memory in read)
        orders = self._orders(call, tensors)
        places: dict[SyncedMemory, Place] = {}
        for name, some in tensors.items():
            for tensor in some:
                place = self._place(call, name, tensor, gradients).lying(orders.get(tensor.memory))
                if places.setdefault(tensor.memory, place) != place:
                    return AS_FLOATS  # a value that is its own gradient
        floats = {t.memory for name, value in call.arguments.items() if name not in names for t in _tensors(value)}
        if any(memory.dtype != np.float32 or memory in floats for memory in places):
            return AS_FLOATS  # ints, or what the call also takes as floats
        for memory in orders.keys() - places.keys():
            places[memory] = LastPlace(self._places.wide, orders[memory])
        return How(self._places.real, places, bool(orders))

    def _orders(self, call: Call, narrow: Mapping[str, Sequence[Tensor]]) -> dict[SyncedMemory, Last]:
        """Which memories of a call lie channels last then, and how; all others lie in Caffe's order."""
        if not self._places.last or call.name not in ALIKE | SHAPED or not _by_channel(call):
            return {}
        tensors = {**narrow} | {name: _tensors(call[name]) for name in MASKS.get(call.name, "").split()}
        read = [tensor for name, some in tensors.items() for tensor in some if name not in call.operation.writes]
        common = next((self.lying[t.memory] for t in read if t.memory in self.lying), None)
        if common is None and call.name in SEEK:
            common = last(read[0].shape)
        pairs = [(t, common if call.name in ALIKE else last(t.shape)) for some in tensors.values() for t in some]
        orders = {t.memory: order for t, order in pairs if order is not None}
        whole = all(order.divides(t.count) and order.divides(t.memory.count) for t, order in pairs if order)
        alike = all(orders.get(t.memory) == order for t, order in pairs)
        return orders if whole and alike and self._wanted(call.name, read, orders) else {}

    def _wanted(self, name: str, read: Sequence[Tensor], orders: Mapping[SyncedMemory, Last]) -> bool:
        """Whether what is read can lie so, and some of it does, or it may as well."""
        there = [(self.lying.get(t.memory), orders.get(t.memory), t.memory in self.narrow) for t in read]
        if any(lies and order and lies != order for lies, order, _ in there):
            return False  # a memory in two shapes
        stays = any(lies and lies == order for lies, order, _ in there)
        return name in SEEK or stays or not any(narrow and lies != order for lies, order, narrow in there)

    def _place(self, call: Call, name: str, tensor: Tensor, gradients: bool) -> NarrowPlace:
        """Where a narrow tensor is: by what it is called, or for what moves where it comes from."""
        if call.name not in (*MOVE[0], *MOVE[1]):
            return self._places.gradients if name in ("dy", "dx") else self._places.values
        if call.name == "product" and name == "xs":
            return self.narrow.get(tensor.memory, self._places.values)
        return self._places.gradients if gradients else self._places.values

    def _follow(self, call: Call, how: How, wanted: set[SyncedMemory]) -> None:
        wide = self._places.wide
        for tensor in call.reads():
            memory, place = tensor.memory, how.places.get(tensor.memory, wide)
            self.used[memory, place] = memory.nbytes(place)
            if memory not in self.made:
                self.needed[memory, place] = None
            elif place not in self.made[memory]:
                self.made[memory].append(place)
        for tensor in call.writes():
            memory, place = tensor.memory, how.places.get(tensor.memory, wide)
            self.used[memory, place] = memory.nbytes(place)
            if memory in wanted and memory not in self.made:
                self.needed[memory, place] = None
            self.made[memory] = [place]
            self.narrow.pop(memory, None)
            self.lying.pop(memory, None)
            if isinstance(place, NarrowPlace):
                self.narrow[memory] = place
            if isinstance(place, (NarrowPlace, LastPlace)) and place.last is not None:
                self.lying[memory] = place.last


def _by_channel(call: Call) -> bool:
    """Whether a call computes by channels on axis 1, with no more spatial axes than cuDNN has channels last."""
    geometry = call.arguments.get("geometry")
    if isinstance(geometry, ConvolutionGeometry):
        return geometry.axis == 1 and len(geometry.kernel) <= MOST_AXES
    if not call.name.startswith("affine"):
        return True
    some = [t for name in ("scale", "shift", "dscale", "dshift") for t in _tensors(call.arguments.get(name))]
    return call["axis"] == 1 and all(len(coefficients.shape) == 1 for coefficients in some)


def _tensors(value: object) -> list[Tensor]:
    """The tensors of an argument: one, several, or none."""
    if isinstance(value, Tensor):
        return [value]
    return [item for item in value if isinstance(item, Tensor)] if isinstance(value, (list, tuple)) else []
