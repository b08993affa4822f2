"""``caffe train``: train or finetune a model."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Callable, Iterator

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
from caffe_sdk.solver import Event, Options, Solver, metrics, parallel
from caffe_sdk.solver.log import TrainingLog
from caffe_sdk.solver.peers import Alone

log = logging.getLogger(__name__)

SIGNALS = ("SIGINT", "SIGHUP", "SIGTERM", "SIGUSR1")


def run(options: argparse.Namespace) -> int:
    """Train to ``max_iter``, or until somebody asks for the end; with others, where MPI started several."""
    path = required(options, "solver", "Need a solver definition to train.")
    if options.gpu:
        mode.use_gpus(options.gpu)
    peers = parallel.join()
    if not isinstance(peers, parallel.Ranks):
        return train(path, options, peers)
    status = guarded(f"caffe (rank {peers.rank} of {peers.size})", lambda: train(path, options, peers))
    if status:
        peers.abort(status)  # the others would wait for this one for ever
    return status


def train(path: str, options: argparse.Namespace, peers: Alone) -> int:
    """Train as one of some peers, or alone, as the command's flags say."""
    if peers.rank:  # what all would say alike, rank 0 says
        logging.getLogger("caffe_sdk").setLevel(logging.WARNING)
    for module in options.modules or ():
        user_module(module, "-import")
    wishes = Options(options.watch, options.patience, options.keep_last, options.keep_best, options.skip_mismatch)
    solver = open_solver(path, options.weights, options.snapshot, options.level, stages(options), wishes, peers)
    effects = {name: getattr(options, f"{name.lower()}_effect") for name in SIGNALS}
    with contextlib.closing(solver), contextlib.ExitStack() as stack:
        watchers = _watchers(options, solver, stack) if peers.rank == 0 else []
        stack.enter_context(handled(solver, effects, insist=peers.size == 1))
        log.info("Starting Optimization")
        for event in solver.events():
            for watcher in watchers:
                watcher(event)
    return 0


def _watchers(
    options: argparse.Namespace, solver: Solver, stack: contextlib.ExitStack
) -> list[Callable[[Event], None]]:
    """What notes and shows events; the stack closes it."""
    if not options.gpu:
        _choose_mode(solver)
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


def _choose_mode(solver: Solver) -> None:
    if solver.param.HasField("solver_mode") and solver.param.solver_mode == SolverParameter.GPU:
        if engine.gpus():
            mode.set_device(solver.param.device_id)
            mode.set_mode_gpu()
            log.info("Use GPU with device ID %d", solver.param.device_id)
        else:
            log.warning("The solver says solver_mode: GPU; there is no GPU here, and it trains on the CPU.")
    else:
        log.info("Use CPU.")


def _images(solver: Solver) -> int:
    """How many images an iteration takes: the first axis of the net's first blob, times iter_size and ranks."""
    first = next(iter(solver.net.blobs.values())).shape
    return int((first[0] if first else 1) * solver.param.iter_size * solver.peers.size)
