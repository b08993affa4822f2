"""Long tasks that tell what happens: train (`open_solver`), test (`evaluate`), time (`measure`); device facts."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from caffe_sdk import __version__, engine
from caffe_sdk.app.models import PHASES
from caffe_sdk.app.profile import StepTime, profile
from caffe_sdk.errors import ArgumentError, CaffeError
from caffe_sdk.net import Net
from caffe_sdk.schema.messages import TEST
from caffe_sdk.solver import Options, Output, Solver, get_solver
from caffe_sdk.solver.nets import find
from caffe_sdk.solver.outputs import outputs_of
from caffe_sdk.solver.peers import Alone
from caffe_sdk.solver.solver import read_solver
from caffe_sdk.threads import num_threads, usable_cpus
from caffe_sdk.timer import now

if TYPE_CHECKING:
    from caffe_sdk.engine.cuda.inventory import Gpu

# -- train -------------------------------------------------------------------------------------------------------------


def open_solver(
    path: str,
    weights: str = "",
    snapshot: str = "",
    level: int = 0,
    stages: Sequence[str] = (),
    options: Options | None = None,
    peers: Alone | None = None,
) -> Solver:
    """The solver of a prototxt, ready to train: `Solver.events` is the task.

    ``weights`` are caffemodels with commas between them, taken instead of those the solver names; ``snapshot`` is a
    solverstate to go on from. ``level`` and ``stages`` choose among the layers of the train net; ``options`` and
    ``peers`` are those of the solver.

    Raises ArgumentError for both weights and snapshot, and what `Solver` does.
    """
    if weights and snapshot:
        words = "Give a snapshot to resume training or weights to finetune but not both."
        raise ArgumentError("train", f"weights '{weights}' and snapshot '{snapshot}' are given", words)
    param = read_solver(path)
    _find_nets(param, Path(path).parent)
    if weights or snapshot:
        param.ClearField("weights")
    if weights:
        param.weights.append(weights)
    if level:
        param.train_state.level = level
    param.train_state.stage.extend(stages)
    solver = get_solver(param, options, peers)
    try:
        if snapshot:
            solver.restore(snapshot)
    except CaffeError:
        solver.close()
        raise
    return solver


def _find_nets(param: Any, folder: Path) -> None:
    """Files that are not where the description says, seen from here, are looked for beside it."""
    for field in ("net", "train_net"):
        if param.HasField(field):
            setattr(param, field, find(getattr(param, field), folder))
    param.test_net[:] = [find(path, folder) for path in param.test_net]
    param.weights[:] = [",".join(find(path.strip(), folder) for path in paths.split(",")) for paths in param.weights]


# -- test --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TestBatch:
    """A batch was tested: its loss, and every number that the net put out."""

    __test__: ClassVar[bool] = False  # pytest takes classes called Test... for its own

    batch: int
    loss: float
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class TestResult:
    """The test is over: means over all batches."""

    __test__: ClassVar[bool] = False

    batches: int
    loss: float
    outputs: tuple[Output, ...]


def evaluate(
    model: str, weights: str = "", iterations: int = 50, level: int = 0, stages: Sequence[str] = ()
) -> Iterator[TestBatch | TestResult]:
    """Run a net in phase TEST over so many batches, giving each batch's outputs and at last the means.

    ``weights`` are caffemodels with commas between them. Raises ArgumentError for iterations below 1, and what `Net`
    does.
    """
    _check_iterations(iterations)
    with Net(model, TEST, level, list(stages)) as net:
        for path in filter(None, weights.split(",")):
            net.copy_from(path.strip())
        batches: list[TestBatch] = []
        for batch in range(iterations):
            loss = net._forward(0, len(net.layers) - 1)
            batches.append(TestBatch(batch, loss, tuple(outputs_of(net))))
            yield batches[-1]
        yield TestResult(iterations, sum(b.loss for b in batches) / iterations, _means(batches))


def _means(batches: Sequence[TestBatch]) -> tuple[Output, ...]:
    """The mean of each output, number by number."""
    columns = zip(*(batch.outputs for batch in batches), strict=True)
    return tuple(Output(c[0].name, sum(o.value for o in c) / len(c), c[0].loss_weight) for c in columns)


# -- time --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayerTime:
    """Mean seconds that a layer takes by itself, forward and backward."""

    name: str
    type: str
    forward: float
    backward: float


@dataclass(frozen=True)
class TimedIteration:
    """The whole net ran forward and backward once."""

    iteration: int
    seconds: float


@dataclass(frozen=True)
class TimeResult:
    """Mean seconds of the layers and of the whole net, and seconds of all its iterations together.

    A net runs faster as a whole than its layers one by one, as engines join neighbours: the layers' times show where
    the time goes and do not add up to the net's. The steps are what the whole net really does.
    """

    layers: tuple[LayerTime, ...]
    forward: float
    backward: float
    total: float
    forward_steps: tuple[StepTime, ...]
    backward_steps: tuple[StepTime, ...]
    """What the compiled net does, one step after the other: the times of these do add up."""


def measure(
    model: str,
    iterations: int = 50,
    phase: str = "train",
    weights: str = "",
    level: int = 0,
    stages: Sequence[str] = (),
) -> Iterator[TimedIteration | TimeResult]:
    """Time a net: after one pass that is not counted, so many passes of the whole net and of each layer by itself.

    Raises ArgumentError for iterations below 1 or a phase that is none, and what `Net` does.
    """
    _check_iterations(iterations)
    if phase not in PHASES:
        raise ArgumentError("phase", f"'{phase}' is no phase", "use 'train' or 'test'")
    with Net(model, PHASES[phase], level, list(stages)) as net:
        for path in filter(None, weights.split(",")):
            net.copy_from(path.strip())
        last = len(net.layers) - 1
        net.forward()
        ahead_steps = profile(net, False, iterations)  # before anything goes backward, as in inference
        net.forward_backward()
        forward = backward = 0.0
        for iteration in range(iterations):
            ahead = _seconds(net._forward, 0, last)
            back = _seconds(net._backward, last, 0)
            forward, backward = forward + ahead, backward + back
            yield TimedIteration(iteration, ahead + back)
        layers = tuple(_layer_times(net, iterations))
        back_steps = profile(net, True, iterations)
        means = (forward / iterations, backward / iterations)
        yield TimeResult(layers, *means, forward + backward, ahead_steps, back_steps)


def _layer_times(net: Net, iterations: int) -> Iterator[LayerTime]:
    """Each layer by itself; the pass in which its programs are made is not counted."""
    indices = range(len(net.layers))
    ahead, back = [0.0] * len(net.layers), [0.0] * len(net.layers)
    for counted in range(-1, iterations):
        for i in indices:
            seconds = _seconds(net._forward, i, i)
            ahead[i] += seconds if counted >= 0 else 0.0
        for i in reversed(indices):
            seconds = _seconds(net._backward, i, i)
            back[i] += seconds if counted >= 0 else 0.0
    for layer, forward, backward in zip(net.layers, ahead, back, strict=True):
        yield LayerTime(layer.name, layer.type, forward / iterations, backward / iterations)


def _seconds(run: Callable[[int, int], object], first: int, last: int) -> float:
    began = now()
    run(first, last)
    return now() - began


def _check_iterations(iterations: int) -> None:
    if iterations < 1:
        raise ArgumentError("iterations", f"{iterations} iterations", "give 1 or more")


# -- devices -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """One thing to know about where nets compute."""

    name: str
    value: str


def device_query(gpus: Sequence[int] | None = None) -> list[Fact]:
    """What computes, and on what: engine, oneDNN, threads, processor, and these GPUs, all if none are named.

    What is missing is a fact too, not an error.
    """
    from caffe_sdk.engine.cpu.library import library

    try:
        onednn = f"{library().version}, {num_threads()} threads"
    except CaffeError as error:
        onednn = f"none: {error}"
    return [
        Fact("caffe_sdk", __version__),
        Fact("Python", platform.python_version()),
        Fact("System", f"{platform.system()} {platform.machine()}"),
        Fact("Engine", engine.chosen()),
        Fact("Engines", ", ".join(engine.names())),
        Fact("oneDNN", onednn),
        Fact("Processor", _processor()),
        Fact("Instructions", _instructions()),
        Fact("Cores", f"{os.cpu_count() or 1}, of which {usable_cpus()} may be used"),
        *_gpus(gpus),
    ]


def _gpus(numbers: Sequence[int] | None) -> list[Fact]:
    """A line for each GPU, and what else computing there takes; or why there is none."""
    from caffe_sdk.engine.cuda import devices, inventory, options

    try:
        driver = devices.driver()
        found = inventory.gpus(driver, range(devices.count()) if numbers is None else numbers)
    except CaffeError as error:
        return [Fact("GPUs", f"none: {error}")]
    if not found:
        return [Fact("GPUs", "none: the NVIDIA driver finds no GPU")]
    return [
        *(Fact(f"GPU {gpu.number}", _words(gpu)) for gpu in found),
        Fact("Driver", f"for CUDA {driver.version} and before"),
        *(Fact(name, version) for name, version in inventory.versions().items()),
        Fact("Options", ", ".join(f"{name}={said}" for name, said in options.given().items()) or "none set"),
    ]


def _words(gpu: Gpu) -> str:
    return (
        f"{gpu.name}, compute capability {gpu.capability}, {gpu.processors} multiprocessors, "
        f"{gpu.free >> 20:,} of {gpu.memory >> 20:,} MiB free"
    )


def _cpuinfo(key: str) -> str:
    """A line of Linux's /proc/cpuinfo; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key) and ":" in line), "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def _instructions() -> str:
    """The widest vector instructions of the processor, as oneDNN chooses its kernels by them."""
    flags = set(_cpuinfo("flags").split())
    names = {"amx_tile": "AMX", "avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sse4_1": "SSE4.1"}
    return ", ".join(name for flag, name in names.items() if flag in flags) or "unknown"
