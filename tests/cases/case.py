"""A layer in a situation: what a row of the table of cases says, and how it is put before an engine.

Values of bottoms are a random order of equally spaced numbers. So no two are equal, none is 0, and a small step crosses
no kink: gradients can be checked by differences even where a function has corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format

from caffe_sdk import fillers
from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.layers import Layer, create
from caffe_sdk.memory import HOST, Array, Shape, SyncedMemory
from caffe_sdk.schema.messages import TEST, TRAIN, LayerParameter

SEED = 20140622
PHASES = {"TRAIN": TRAIN, "TEST": TEST}


@dataclass(frozen=True)
class Case:
    """``param`` is what stands in the layer's prototxt besides name, type, bottoms and tops."""

    type: str
    param: str = ""
    bottoms: Sequence[Shape] = ((2, 3, 4, 5),)
    note: str = ""
    tops: int = 1
    phase: str = "TRAIN"
    classes: dict[int, int] = field(default_factory=dict)
    """Bottoms that are labels, and how many classes they have."""
    low: float = -2
    high: float = 2
    in_place: bool = False
    """Whether the layer may compute in place."""
    batched: bool = True
    """Whether the first axis of every bottom is a batch that may have any size, 0 too."""
    positive: bool = False
    """Whether parameters must be positive (variances)."""
    tolerance: float = 1e-6
    """How far the computed gradient may be from the differences."""
    differentiable: bool = True
    smooth_tops: int | None = None
    """How many of the first tops have a gradient (a mask has none); all unless said."""

    def __str__(self) -> str:
        return "-".join(filter(None, [self.type, self.note or self.param.replace(" ", "") or "plain"]))

    def config(self) -> Any:
        """The LayerParameter."""
        config = LayerParameter(name="it", type=self.type, phase=PHASES[self.phase])
        config.bottom.extend(f"bottom{i}" for i in range(len(self.bottoms)))
        config.top.extend(f"top{i}" for i in range(self.tops))
        text_format.Merge(self.param, config)
        return config

    def values(self, batch_factor: int = 1) -> list[Array]:
        """Values for the bottoms, float64; the batch may be 0 or several times that of the case."""
        rng = np.random.default_rng(SEED)
        return [
            self._value(rng, i, (*(n * batch_factor for n in shape[:1]), *shape[1:]))
            for i, shape in enumerate(self.bottoms)
        ]

    def _value(self, rng: np.random.Generator, bottom: int, shape: Shape) -> Array:
        if bottom in self.classes:
            return rng.integers(0, self.classes[bottom], shape).astype(float)
        count = max(1, int(np.prod(shape)))
        steps = (rng.permutation(count) + 0.25 + 0.17 * bottom) / count
        return (self.low + (self.high - self.low) * steps)[: int(np.prod(shape))].reshape(shape)


class Trial:
    """The layer of a case with blobs around it, run by an engine: call by call, or as programs that are replayed."""

    def __init__(
        self,
        case: Case,
        engine: Engine,
        dtype: npt.DTypeLike = np.float32,
        in_place: bool = False,
        programs: bool = True,
    ) -> None:
        self.case, self.engine, self.programs = case, engine, programs
        self.generator = np.random.default_rng(SEED)
        self.start = self.generator.bit_generator.state
        self.layer: Layer = create(case.config(), PHASES[case.phase], self.generator)
        self.bottom = [Blob(shape, dtype, f"bottom{i}") for i, shape in enumerate(case.bottoms)]
        self.top = [Blob(shape, dtype, f"top{i}") for i, shape in enumerate(self.top_shapes())]
        if in_place:
            self.top[0] = self.bottom[0]
        declared = self.layer.parameters(case.bottoms)
        self.layer.blobs = [Blob(parameter.shape, dtype, f"parameter{i}") for i, parameter in enumerate(declared)]
        specs = self.layer.config.param
        self.layer.param_needs = [i >= len(specs) or specs[i].lr_mult != 0 for i in range(len(declared))]
        for parameter in declared:
            fillers.check(parameter.filler, parameter.shape, self.layer.where)
        rng = np.random.default_rng(SEED + 1)
        for blob in self.layer.blobs:
            values = rng.normal(size=blob.count)
            put(blob.data_memory, np.abs(values) + 0.5 if case.positive else values)
        self.needs = [self.layer.can_force_backward(i) and case.differentiable for i in range(len(self.bottom))]
        self.layer.reshape(self.bottom, self.top)
        self._recorded: dict[str, Any] = {}

    def top_shapes(self) -> list[Shape]:
        """What the layer says of its tops, for as many as there are."""
        shapes = self.layer.shapes([b.shape for b in self.bottom])
        return shapes[: max(self.case.tops, self.layer.auto_tops)]

    def reshape(self, shapes: Sequence[Shape]) -> None:
        """Other bottom shapes, and tops that follow."""
        for blob, shape in zip(self.bottom, shapes, strict=True):
            blob.reshape(*shape)
        for blob, shape in zip(self.top, self.top_shapes(), strict=True):
            blob.reshape(*shape)
        self.layer.reshape(self.bottom, self.top)
        self._recorded.clear()

    def forward(self, values: Sequence[Array]) -> list[Array]:
        """The tops' values for bottoms' values; randomness begins anew every time."""
        for blob, value in zip(self.bottom, values, strict=True):
            put(blob.data_memory, value)
        self.generator.bit_generator.state = self.start
        self._run("forward")
        return [get(blob.data_memory, blob.shape) for blob in self.top]

    def backward(self, diffs: Sequence[Array]) -> list[Array]:
        """Gradients: of the bottoms that get one, then of the parameters that are learned, which count from 0."""
        for blob in self.layer.blobs:
            blob.diff_memory.clear()
        for blob, diff in zip(self.top, diffs, strict=True):
            put(blob.diff_memory, diff)
        self._run("backward")
        return [get(memory, shape) for memory, shape in self.gradients()]

    def gradients(self) -> list[tuple[SyncedMemory, Shape]]:
        """Where `backward` leaves its results."""
        bottoms = [b for b, needed in zip(self.bottom, self.needs, strict=True) if needed]
        return [(blob.diff_memory, blob.shape) for blob in bottoms + self.learned()]

    def learned(self) -> list[Blob]:
        """Parameters that have a gradient."""
        return [b for b, needed in zip(self.layer.blobs, self.layer.param_needs, strict=True) if needed]

    def parameters(self) -> list[Array]:
        """The parameters' values, some of which forward may change."""
        return [get(blob.data_memory, blob.shape) for blob in self.layer.blobs]

    def diffs(self) -> list[Array]:
        """Some gradients of the tops; 0 for those that have none."""
        rng = np.random.default_rng(SEED + 2)
        diffs: list[Array] = [rng.uniform(0.5, 1.5, blob.shape) for blob in self.top]
        smooth = len(diffs) if self.case.smooth_tops is None else self.case.smooth_tops
        return [diff * (i < smooth) for i, diff in enumerate(diffs)]

    def _run(self, direction: str) -> None:
        if not self.programs:
            self._tell(direction, self.engine)
            return
        if direction not in self._recorded:
            recorder = Recorder()
            self._tell(direction, recorder)
            self._recorded[direction] = self.engine.compile(recorder.calls)
        self._recorded[direction].run()

    def _tell(self, direction: str, engine: Any) -> None:
        if direction == "forward":
            self.layer.forward(engine, self.bottom, self.top)
        else:
            self.layer.backward(engine, self.top, self.needs, self.bottom)


def put(memory: SyncedMemory, values: Array) -> None:
    """Write numbers into a memory at the host."""
    memory.write(HOST)[...] = np.asarray(values).reshape(-1)


def get(memory: SyncedMemory, shape: Shape) -> Array:
    """A copy of the numbers of a memory."""
    numbers: Array = memory.read(HOST)
    return numbers.reshape(shape).copy()
