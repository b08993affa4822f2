"""``caffe train``: train or finetune a model."""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Sequence

from caffe_sdk import engine, mode
from caffe_sdk.app.tasks import open_solver
from caffe_sdk.cli.control import Control
from caffe_sdk.cli.flags import required, stages
from caffe_sdk.cli.main import guarded
from caffe_sdk.cli.progress import TrainingBar
from caffe_sdk.cli.signals import handled
from caffe_sdk.cli.timing import Timing
from caffe_sdk.layers.plugins import user_module
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver import Event, Options, Solver, metrics, parallel, processes, read_solver
from caffe_sdk.solver.gpus import on_gpus
from caffe_sdk.solver.log import TrainingLog
from caffe_sdk.solver.peers import Alone

log = logging.getLogger(__name__)

SIGNALS = ("SIGINT", "SIGHUP", "SIGTERM", "SIGUSR1")


def run(options: argparse.Namespace) -> int:
    """Train to ``max_iter``, or until somebody asks for the end; with others, where MPI or several GPUs are there."""
    path = required(options, "solver", "Need a solver definition to train.")
    gpus = _gpus(options.gpu, path)
    peers = parallel.join()
    if not isinstance(peers, parallel.Ranks):
        if len(gpus) > 1:
            return processes.together(functools.partial(rank_on, options, gpus), len(gpus))
        use(gpus[:1])
        return train(path, options, peers)
    status = guarded(_program(peers), lambda: _among(peers, path, options, gpus))
    if status:
        peers.abort(status)  # the others would wait for this one for ever
    return status


def _among(peers: parallel.Ranks, path: str, options: argparse.Namespace, gpus: list[int]) -> int:
    """As one of the ranks of MPI; those of one computer take its GPUs in turn."""
    if gpus:
        use([gpus[peers.place_here() % len(gpus)]])
    return train(path, options, on_gpus(peers))


def rank_on(options: argparse.Namespace, gpus: list[int], peers: processes.Processes) -> int:
    """As one of several processes, each on the GPU of its rank, or on the CPU where there are none."""

    def work() -> int:
        use(gpus[peers.rank : peers.rank + 1])
        return train(options.solver, options, on_gpus(peers))

    return guarded(_program(peers), work)


def _program(peers: Alone) -> str:
    return f"caffe (rank {peers.rank} of {peers.size})"


def _gpus(asked: str, path: str) -> list[int]:
    """The GPUs that the command line names, or else the solver; none for the CPU."""
    if asked:
        return mode.gpu_numbers(asked)
    param = read_solver(path)
    if not (param.HasField("solver_mode") and param.solver_mode == SolverParameter.GPU):
        return []
    return [param.device_id] if engine.gpus() else []


def use(gpus: Sequence[int]) -> None:
    """Compute on the first of these GPUs, if there is one."""
    if gpus:
        mode.set_device(gpus[0])
        mode.set_mode_gpu()


def train(path: str, options: argparse.Namespace, peers: Alone) -> int:
    """Train as one of some peers, or alone, as the command's flags say."""
    if peers.rank:  # what all would say alike, rank 0 says
        logging.getLogger("caffe_sdk").setLevel(logging.WARNING)
    for module in options.modules or ():
        user_module(module, "-import")
    wishes = Options(options.watch, options.patience, options.keep_last, options.keep_best, options.skip_mismatch)
    solver = open_solver(path, options.weights, options.snapshot, options.level, stages(options), wishes, peers)
    _tell_mode(solver)
    effects = {name: getattr(options, f"{name.lower()}_effect") for name in SIGNALS}
    with contextlib.closing(solver), contextlib.ExitStack() as stack:
        watchers = _watchers(options, solver, stack) if peers.rank == 0 else []
        stack.enter_context(handled(solver, effects, insist=peers.size == 1))
        log.info("Starting Optimization")
        for event in solver.events():
            for watcher in watchers:
                watcher(event)
        peers.close()
    return 0


def _tell_mode(solver: Solver) -> None:
    if engine.on_gpu():
        log.info("Use GPU with device ID %d", mode.device())
    elif solver.param.HasField("solver_mode") and solver.param.solver_mode == SolverParameter.GPU:
        log.warning("The solver says solver_mode: GPU; there is no GPU here, and it trains on the CPU.")
    else:
        log.info("Use CPU.")


def _watchers(
    options: argparse.Namespace, solver: Solver, stack: contextlib.ExitStack
) -> list[Callable[[Event], None]]:
    """What notes and shows events; the stack closes it."""
    watchers: list[Callable[[Event], None]] = [TrainingLog()]
    for recorder in _recorders(options, solver):
        stack.callback(recorder.close)
        watchers.append(recorder)
    if options.timing:
        watchers.append(Timing(solver))
    if options.control:
        watchers.append(Control(options.control, solver))
    watchers.append(stack.enter_context(TrainingBar(solver.iter, solver.param.max_iter, _images(solver))))
    return watchers


def _recorders(options: argparse.Namespace, solver: Solver) -> Iterator[metrics.Recorder]:
    every = solver.param.display == 0
    for path in options.metrics or ():
        yield metrics.record(path, every)
    if options.tensorboard:
        yield metrics.TensorBoard(options.tensorboard, every)


def _images(solver: Solver) -> int:
    """How many images an iteration takes: the first axis of the net's first blob, times iter_size and ranks."""
    first = next(iter(solver.net.blobs.values())).shape
    return int((first[0] if first else 1) * solver.param.iter_size * solver.peers.size)
