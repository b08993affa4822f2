"""What a compiled net does, step by step: for which layers, by which means, how long, how near the machine's peak."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import cast

import numpy as np

from caffe_sdk import engine
from caffe_sdk.engine import Engine
from caffe_sdk.engine.operation import Call, Recorder
from caffe_sdk.memory import Tensor, new_tensor
from caffe_sdk.net import Net

PRODUCTS = ("convolution", "inner_product")
"""Operations that multiply by weights begin so."""

PEAK_SIZE, PEAK_RUNS = 512, 100


@dataclass(frozen=True)
class StepTime:
    """Seconds (the median) of a step that computes some layers, or one operation of theirs.

    ``means`` is what computes it: primitives of oneDNN with their implementations, loops of our own, or the name of an
    operation left to NumPy. ``multiply_adds`` counts products with weights as the definition has them, so a method that
    needs fewer seems to go beyond the peak.
    """

    layers: tuple[str, ...]
    operations: tuple[str, ...]
    means: tuple[str, ...]
    seconds: float
    multiply_adds: int

    @property
    def rate(self) -> float:
        """Floating point operations in a second, two for a multiply-add."""
        return 2 * self.multiply_adds / self.seconds if self.seconds else 0.0


def profile(net: Net, backward: bool, iterations: int) -> tuple[StepTime, ...]:
    """The steps by which a net runs one way, with their times; a first run is not counted.

    Layers that compute on the host (sources of data, layers in Python) are no steps.
    """
    names = {layer.where: layer.name for layer in net.layers}
    runs = [net._timed(backward) for _ in range(iterations + 1)][1:]
    steps = [step for step, _ in runs[0]]
    seconds = np.median([[each for _, each in run] for run in runs], axis=0)
    found = []
    for calls, group in itertools.groupby(range(len(steps)), key=lambda i: steps[i].calls):
        indices = list(group)
        found.append(
            StepTime(
                layers=tuple(dict.fromkeys(names.get(call.where, "") for call in calls)),
                operations=tuple(dict.fromkeys(call.name for call in calls)),
                means=tuple(dict.fromkeys(steps[i].means for i in indices)),
                seconds=float(seconds[indices].sum()),
                multiply_adds=sum(map(multiply_adds, calls)),
            )
        )
    return tuple(found)


def multiply_adds(call: Call) -> int:
    """Multiply-adds of a product with weights, bias apart: every weight once for each place or row of the top."""
    weight = call.arguments.get("weight") or call.arguments.get("dweight")
    if weight is None or not call.name.startswith(PRODUCTS):
        return 0
    top: Tensor = call.arguments.get("y") or call.arguments["dy"]
    geometry = call.arguments.get("geometry")
    outputs = top.shape[geometry.axis if geometry else 1]
    return top.count // outputs * weight.count if outputs else 0


def peak() -> float:
    """Floating point operations a second at which the engine multiplies large matrices, at its best."""
    x, weight, y = (new_tensor((PEAK_SIZE, PEAK_SIZE)) for _ in range(3))
    recorder = Recorder()
    cast(Engine, recorder).inner_product(x, weight, None, y, False)
    program = engine.current().compile(recorder.calls)
    program.run()
    quickest = min(sum(program.timed()) for _ in range(PEAK_RUNS))
    return 2 * PEAK_SIZE**3 / quickest
