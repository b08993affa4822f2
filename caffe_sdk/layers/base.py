"""What a layer is, and the registry that finds one by the type name a prototxt gives.

A layer lives in three steps, in this order:

1. `Layer.setup` reads the layer's parameters and checks what can be checked without shapes.
2. `Layer.shapes` and `Layer.parameters` say, from bottom shapes alone, what tops and parameters will be. They touch no
   memory, so a net can be checked, drawn and costed without being built.
3. `Layer.forward` and `Layer.backward` tell an engine what to compute. They name no device and look at no numbers, so
   the calls can be recorded once and replayed. A layer that must see numbers (a source of data, a layer written in
   Python) sets ``on_host`` and works on the blobs' NumPy views instead; it is never recorded.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy.typing as npt

from caffe_sdk import rng
from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.errors import LayerError, ShapeError
from caffe_sdk.layers.plugins import user_module
from caffe_sdk.memory import Shape, Tensor, new_tensor
from caffe_sdk.schema.messages import TRAIN

OPTIONS = """write it as '{"name": value, ...}'"""


@dataclass(frozen=True)
class Arity:
    """How many bottoms or tops a layer takes; ``most`` None means any number."""

    least: int
    most: int | None

    def fits(self, count: int) -> bool:
        """Whether a layer may have so many."""
        return self.least <= count and (self.most is None or count <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least} or more"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


def exactly(count: int) -> Arity:
    """The arity of a layer that takes ``count`` and nothing else."""
    return Arity(count, count)


@dataclass(frozen=True)
class Parameter:
    """A parameter blob a layer wants: its shape, and the filler of its first values.

    A filler is a FillerParameter, or a function that fills the array it is given.
    """

    shape: Shape
    filler: Any


class Layer:
    """One layer of a net. ``config`` is its LayerParameter; ``blobs`` are its parameters once the net is built."""

    type: ClassVar[str] = ""
    bottoms: ClassVar[Arity] = exactly(1)
    tops: ClassVar[Arity] = exactly(1)
    as_many_tops: ClassVar[bool] = False
    """Whether there must be as many tops as bottoms."""
    in_place: ClassVar[bool] = False
    """Whether a top may be the bottom of the same index, computed in its place."""
    auto_tops: ClassVar[int] = 0
    """How many tops the net adds, nameless, when the prototxt names fewer (losses and the like)."""
    on_host: ClassVar[bool] = False
    """Whether forward and backward look at numbers themselves instead of telling an engine."""
    is_loss: ClassVar[bool] = False
    """Whether the first top has loss weight 1 by itself."""
    shares_data: ClassVar[bool] = False
    """Whether tops have no memory of their own for values, but that of the first bottom, or else first parameter."""
    shares_diff: ClassVar[bool] = False
    """Whether tops have no memory of their own for gradients, but that of the first bottom."""
    smooth_tops: ClassVar[int | None] = None
    """How many of the first tops backward takes gradients of (not of a mask, say); all unless said."""

    def __init__(self, config: Any, phase: int, generator: rng.Generator | None = None) -> None:
        self.config = config
        self.name: str = config.name
        self.phase = phase
        self.rng = generator if generator is not None else rng.spawn()
        self.blobs: list[Blob] = []
        self.param_needs: list[bool] = []
        """Per parameter, whether its gradient is wanted."""
        self.setup(config)

    @property
    def where(self) -> str:
        """How errors name this layer."""
        return f"layer '{self.name}' ({self.type})"

    @property
    def training(self) -> bool:
        """Whether the phase is TRAIN."""
        return bool(self.phase == TRAIN)

    @property
    def options(self) -> dict[str, Any]:
        """Parameters of a type that has no message of its own: ``python_param { param_str: '{"start": 2}' }``, JSON.

        Raises LayerError if the text is no JSON object.
        """
        text = self.config.python_param.param_str
        try:
            found = json.loads(text or "{}")
        except ValueError as error:
            raise LayerError(self.where, f"param_str '{text}' is no JSON: {error}", OPTIONS) from None
        self.check(isinstance(found, dict), f"param_str '{text}' is no JSON object", OPTIONS)
        return dict(found)

    # -- what a layer says about itself, without memory ------------------------------------------------------------

    def setup(self, config: Any) -> None:
        """Read and check the layer's parameters (a LayerParameter)."""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """The tops' shapes for these bottoms' shapes. By default every top is like the first bottom."""
        return [bottoms[0]] * max(1, len(self.config.top))

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        """The parameters for these bottoms' shapes."""
        return []

    def multiply_adds(self, bottoms: Sequence[Shape]) -> int:
        """How many multiplications, each with an addition, a forward pass takes for these bottoms' shapes.

        Products with weights count (convolutions, inner products, recurrences); work value by value does not.
        """
        return 0

    def loss_weights(self, tops: int) -> list[float]:
        """The weight of each top in the loss: what the prototxt says, else 1 for the first top of a loss layer."""
        given = list(self.config.loss_weight)
        if not given:
            given = [float(self.is_loss and i == 0) for i in range(tops)]
        if len(given) != tops:
            raise LayerError(
                self.where, f"loss_weight is given {len(given)} times for {tops} tops", "give one per top or none"
            )
        return given

    def can_force_backward(self, bottom: int) -> bool:
        """Whether ``force_backward`` of the net applies to this bottom (not to labels)."""
        return True

    def passes_gradient(self, bottom: int) -> bool:
        """Whether a bottom's gradient is the first top's, number by number: both may have one memory."""
        return False

    # -- what a layer does -------------------------------------------------------------------------------------------

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Called when shapes are known or have changed: make buffers of the layer's own, share memory."""

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Compute the tops' data."""
        raise NotImplementedError

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Compute the diffs of the bottoms that ``needs`` names, and add to the diffs of parameters that need it."""
        raise NotImplementedError

    def parameter(self, index: int) -> Tensor | None:
        """The values of a parameter; None if there are not as many parameters (no bias, say)."""
        return self.blobs[index].data_tensor if index < len(self.blobs) else None

    def gradient(self, index: int) -> Tensor | None:
        """The gradient of a parameter; None if there are not as many, or if it is not wanted."""
        return self.blobs[index].diff_tensor if index < len(self.blobs) and self.param_needs[index] else None

    def state(self) -> dict[str, Any]:
        """What besides parameters a resumed run needs (a data source's position), as JSON can hold it."""
        return {}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""

    def close(self) -> None:
        """Give back files, threads and the like."""

    # -- checks --------------------------------------------------------------------------------------------------------

    def check(self, holds: bool, what: str, remedy: str = "") -> None:
        """Raise LayerError naming this layer unless ``holds``."""
        if not holds:
            raise LayerError(self.where, what, remedy)

    def check_shape(self, holds: bool, what: str, remedy: str = "") -> None:
        """Raise ShapeError naming this layer unless ``holds``."""
        if not holds:
            raise ShapeError(self.where, what, remedy)

    def check_arity(self) -> None:
        """Raise LayerError unless bottoms and tops are as many as the layer takes, and in place only if it may be."""
        bottoms, tops = len(self.config.bottom), len(self.config.top)
        self.check(self.bottoms.fits(bottoms), f"has {bottoms} bottoms", f"{self.type} takes {self.bottoms}")
        self.check(self.tops.fits(max(tops, self.auto_tops)), f"has {tops} tops", f"{self.type} takes {self.tops}")
        if self.as_many_tops:
            self.check(bottoms == tops, f"has {bottoms} bottoms and {tops} tops", "give as many tops as bottoms")
        for name in set(self.config.top) & set(self.config.bottom):
            self.check(self.in_place, f"cannot compute '{name}' in place", "give the top a name of its own")

    def axis(self, index: int, axes: int) -> int:
        """A possibly negative axis index as a plain one, checked."""
        self.check_shape(-axes <= index < axes, f"axis {index} is not one of {axes} axes", f"use {-axes} to {axes - 1}")
        return index + axes if index < 0 else index

    def __repr__(self) -> str:
        return f"<Layer {self.name!r} {self.type}>"


def fitted(buffer: Tensor | None, like: Blob, dtype: npt.DTypeLike | None = None) -> Tensor:
    """A buffer of a layer's own, shaped ``like`` a blob: ``buffer`` itself if it fits, so that programs recorded with
    it stay right, else a new one of ``dtype``, by default the blob's.
    """
    if buffer is not None and buffer.shape == like.shape:
        return buffer
    return new_tensor(like.shape, like.dtype if dtype is None else dtype)


LayerClass = TypeVar("LayerClass", bound=type[Layer])

REGISTRY: dict[str, type[Layer]] = {}
"""Layer classes by type name."""


def layer(type_name: str) -> Callable[[LayerClass], LayerClass]:
    """Register a class as the layer of a type name: ``@layer("ReLU")``. A later class replaces an earlier one."""

    def register(cls: LayerClass) -> LayerClass:
        cls.type = type_name
        REGISTRY[type_name] = cls
        return cls

    return register


def create(config: Any, phase: int, generator: rng.Generator | None = None) -> Layer:
    """The layer a LayerParameter describes, set up and with its arity checked; LayerError if there is no such type.

    A type nobody has registered yet is looked for in the module that ``python_param`` names, if it names one.
    """
    if config.type not in REGISTRY and config.python_param.module:
        user_module(config.python_param.module, f"layer '{config.name}' ({config.type})")
    cls = REGISTRY.get(config.type)
    if cls is None:
        close = difflib.get_close_matches(config.type, REGISTRY, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        known = ", ".join(sorted(REGISTRY))
        raise LayerError(
            f"layer '{config.name}'", f"Unknown layer type: {config.type} (known types: {known})", f"{hint}fix 'type'"
        )
    made = cls(config, phase, generator)
    made.check_arity()
    return made
