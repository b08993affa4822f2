"""Which calls of a program work on values of 16 bits, and where memories then are.

Values become narrow where a convolution or an inner product makes them, for these multiply 16 bits on tensor cores, and
stay so through every operation that takes such values (`NARROW`). Other operations see floats: losses, sums of losses,
statistics, labels, indices, parameters and their gradients. Where one follows the other the memory is in both places,
and who reads it brings it there, as with any other place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from caffe_sdk.engine.cuda.formats import FLOAT32, Format
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


@dataclass(frozen=True)
class How:
    """How a call is computed: what its kernels store values in, and where memories are that are not floats then."""

    real: Format = FLOAT32
    places: Mapping[SyncedMemory, Place] = field(default_factory=dict)


AS_FLOATS = How()


@dataclass(frozen=True)
class Places:
    """Where an engine's memories can be."""

    wide: Place
    """As floats."""
    values: Place
    """Narrow."""
    gradients: Place
    """Narrow and scaled."""
    real: Format
    """What narrow is; float32 where nothing is."""


class Plan:
    """How every call of a program is computed, given what programs before it left narrow."""

    def __init__(
        self, calls: Sequence[Call], needed: Sequence[SyncedMemory], places: Places, before: Sequence[Plan] = ()
    ) -> None:
        self._places = places
        self.narrow: dict[SyncedMemory, Place] = {}
        """Memories that were made narrow, and where they are then."""
        for plan in before:
            self.narrow.update(plan.narrow)
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
        gradients = any(self.narrow.get(memory) == self._places.gradients for memory in read)
        places: dict[SyncedMemory, Place] = {}
        for name, some in tensors.items():
            for tensor in some:
                place = self._place(call, name, tensor, gradients)
                if places.setdefault(tensor.memory, place) != place:
                    return AS_FLOATS  # a value that is its own gradient
        floats = {t.memory for name, value in call.arguments.items() if name not in names for t in _tensors(value)}
        if any(memory.dtype != np.float32 or memory in floats for memory in places):
            return AS_FLOATS  # ints, or what the call also takes as floats
        return How(self._places.real, places)

    def _place(self, call: Call, name: str, tensor: Tensor, gradients: bool) -> Place:
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
            if place != wide:
                self.narrow[memory] = place


def _tensors(value: object) -> list[Tensor]:
    """The tensors of an argument: one, several, or none."""
    if isinstance(value, Tensor):
        return [value]
    return [item for item in value if isinstance(item, Tensor)] if isinstance(value, (list, tuple)) else []
