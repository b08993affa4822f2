"""How long every operation of a net takes on a GPU, by our own kernels and by cuDNN: a line of JSON for each kind.

``CAFFE_CUDNN=all python -m tests.bench.gpu.operations NET BATCH inference|training``; CAFFE_ENGINE and CAFFE_PRECISION
say how.

A step of the net's programs is captured up to ten times over as a graph and timed by events on the GPU, in turns: with
cuDNN where it can compute (as with CAFFE_CUDNN=all), and without. What Caffe's layers ask for and cuDNN does not tell,
the places of maxima and the divisors of an LRN, is left out on its side, to see what it would cost.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from ctypes import c_void_p
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.device import Device, replayed
from caffe_sdk.engine.cuda.dnn.contest import NoContest
from caffe_sdk.engine.cuda.dnn.convolver import NoConvolver
from caffe_sdk.engine.cuda.dnn.descriptors import Pooling
from caffe_sdk.engine.cuda.dnn.jobs import NOTHING, ONE, Run
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.pooling import Pool
from caffe_sdk.engine.cuda.dnn.shapes import TYPES, Layout
from caffe_sdk.engine.cuda.precision import How
from caffe_sdk.engine.cuda.program import CudaProgram
from caffe_sdk.engine.operation import Call, StepName
from caffe_sdk.memory import HOST, Tensor
from caffe_sdk.net import Net
from tests.bench.models import NETS

REPEATS, ROUNDS, ROUND_SECONDS = 10, 3, 0.02
LEAVES_OUT = {"max_pool": "mask", "lrn": "scale"}
"""What a step makes beside its result, and cuDNN does not."""

Work = Callable[[], None]


@dataclass(frozen=True)
class Measured:
    """A kind of step: so many of the net's, of one shape, and the seconds that one takes.

    ``theirs`` is 0 where cuDNN computes nothing of it; ``without`` is what it leaves out.
    """

    net: str
    way: str
    precision: str
    step: str
    shape: str
    count: int
    ours: float
    theirs: float
    without: str = ""


@dataclass(frozen=True)
class MaxPoolGrad:
    """The gradient of maxima by cuDNN, which finds them again. Given: x, y, dy. Made: dx."""

    pool: Pool

    @property
    def made(self) -> tuple[int, ...]:
        """The bytes of dx."""
        return (math.prod(self.pool.x) * self.pool.type.nbytes,)

    def planned(self, dnn: Dnn, handle: c_void_p) -> Run | None:
        """One call."""
        described = self.pool.described(dnn)
        if described is None:
            return None
        x, y, windows = described

        def run(values: int, result: int, dy: int, dx: int) -> None:
            given = ONE, y.handle, result, y.handle, dy, x.handle, values
            dnn.call("cudnnPoolingBackward", handle, windows.handle, *given, NOTHING, x.handle, dx)

        return run


class Noted:
    """A convolver or a contest, and whether it has computed anything."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.some = inner, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return (lambda *given: self._noted(found(*given))) if callable(found) else found

    def _noted(self, result: Any) -> Any:
        self.some |= result is True
        return result


class Sides:
    """A device with cuDNN and without."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.theirs = Noted(device.dnn), Noted(device.contest)
        self._ours = NoConvolver("measured without"), NoContest()

    def take(self, theirs: bool) -> None:
        """Compute so from now on."""
        self._device.dnn, self._device.contest = self.theirs if theirs else self._ours  # type: ignore[assignment]

    def computed(self) -> bool:
        """Whether cuDNN has computed anything since it was asked last."""
        some = any(each.some for each in self.theirs)
        for each in self.theirs:
            each.some = False
        return some


def seconds(device: Device, work: Work, repeats: int = 0) -> float:
    """What a device takes to do a piece of work once, when it has nothing to wait for; the mean over so many times."""
    if not repeats:
        repeats = max(1, min(REPEATS, int(ROUND_SECONDS / max(1e-9, seconds(device, work, 1)))))
    return replayed(device, work, repeats)


@dataclass
class Kind:
    """Steps that are alike: how one is computed by each side, what the other side leaves out, how many there are."""

    ours: Work
    theirs: Work
    without: str
    count: int = 0


def measured(name: str, batch: int, train: bool) -> Iterator[Measured]:
    """Every kind of step of a net; the engine is the current one."""
    with Net(NETS[name](batch, train), "train" if train else "test") as net:
        fill(net, batch)
        engine = net.engine
        assert isinstance(engine, CudaEngine)
        programs, sides = programs_of(net, engine, train), Sides(engine.device)
        how = name, "training" if train else "inference", engine.precision.name
        with ExitStack() as rooms:
            for program in programs:
                rooms.enter_context(program._area.lent())
            for (step, shape), kind in kinds_of(engine, programs).items():
                times = compared(engine.device, sides, kind.ours, kind.theirs)
                yield Measured(*how, step, shape, kind.count, *times, kind.without)


def kinds_of(engine: CudaEngine, programs: Sequence[CudaProgram]) -> dict[tuple[str, str], Kind]:
    """The kinds of steps of programs, by their names and shapes."""
    hows = [(call, step.how) for program in programs for step in program._steps for call in step.name.calls]
    kinds: dict[tuple[str, str], Kind] = {}
    for program in programs:
        for step in program._steps:
            key = step.name.means, shape_of(step.name.calls)
            if key not in kinds:
                less, without = left_out(engine, step.name, hows) or (step.compute, "")
                ours, theirs = (partial(program._do, replace(step, compute=work)) for work in (step.compute, less))
                kinds[key] = Kind(ours, theirs, without)
            kinds[key].count += 1
    return kinds


def compared(device: Device, sides: Sides, ours: Work, theirs: Work) -> tuple[float, float]:
    """The least seconds of a step by our own kernels, and by cuDNN where it computes any of it, else 0."""
    sides.take(theirs=True)
    sides.computed()
    theirs()  # what is loaded or planned at a first call is no part of the time
    can = sides.computed()
    sides.take(theirs=False)
    ours()
    times: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        sides.take(theirs=False)
        own = seconds(device, ours)
        sides.take(theirs=True)
        times.append((own, seconds(device, theirs) if can else 0.0))
    return min(own for own, _ in times), min(other for _, other in times)


def left_out(engine: CudaEngine, step: StepName, hows: Sequence[tuple[Call, How]]) -> tuple[Work, str] | None:
    """A step as cuDNN computes it, without what it does not tell of."""
    call = step.calls[0]
    if step.means == "max_pool_grad":
        return _max_pool_grad(engine, call, hows)
    name = LEAVES_OUT.get(step.means)
    if name is None or call[name] is None:
        return None
    given = {**call.arguments, name: None}
    return (lambda: getattr(engine, step.means)(**given)), f"without the {name}"


def _max_pool_grad(engine: CudaEngine, call: Call, hows: Sequence[tuple[Call, How]]) -> tuple[Work, str]:
    forward, how = next((c, how) for c, how in hows if c.name == "max_pool" and c["mask"].memory is call["mask"].memory)
    x, y, dy, dx = forward["x"], forward["y"], call["dy"], call["dx"]

    def work() -> None:
        layout = Layout.NHWC if engine.now.last else Layout.NCHW
        job = MaxPoolGrad(Pool(Pooling.MAX, x.shape, y.shape, call["geometry"], TYPES[engine.now.real], layout))
        engine.now.places = {**engine.now.places, **how.places}  # x and y are where forward had them
        given = [engine.source(x), engine.source(y), engine.source(dy)]
        ours = engine.kernel("max_pool_grad", 0)
        engine.either(job, given, [engine.target(dx)], ours)

    return work, "without the mask"


def shape_of(calls: Sequence[Call]) -> str:
    """What tells steps of one kind apart: shapes of tensors and numbers."""
    call = calls[0]
    said = []
    for name, value in call.arguments.items():
        if isinstance(value, Tensor):
            said.append(f"{name} {'x'.join(map(str, value.shape))}")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Tensor):
            said.append(f"{name} {len(value)} of {'x'.join(map(str, value[0].shape))}")
        elif name == "geometry":
            said.append(f"{'x'.join(map(str, value.kernel))}/{value.stride[0]}")
    return ", ".join(said)


def programs_of(net: Net, engine: CudaEngine, train: bool) -> list[CudaProgram]:
    """What is compiled for a run forward, and back in training."""
    found: list[CudaProgram] = []
    compile_calls = engine.compile

    def watching(*arguments: Any, **more: Any) -> Any:
        program = compile_calls(*arguments, **more)
        assert isinstance(program, CudaProgram)
        found.append(program)
        return program

    engine.compile = watching  # type: ignore[method-assign]
    try:
        net._forward(0, len(net.layers) - 1)
        if train:
            net._backward(len(net.layers) - 1, 0)
    finally:
        del engine.compile
    return [program for program in found if program._prepared >= 0]  # others were compiled to be counted


def fill(net: Net, batch: int) -> None:
    """Images and labels."""
    rng = np.random.default_rng(1)
    for name in net.inputs:
        blob = net.blobs[name]
        values = rng.integers(0, 10, batch) if name == "label" else rng.standard_normal(blob.count, np.float32)
        blob.data_memory.write(HOST)[: blob.count] = values


def main(name: str, batch: str, way: str) -> None:
    """A line for each kind of step."""
    for each in measured(name, int(batch), way == "training"):
        print(json.dumps(asdict(each)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
