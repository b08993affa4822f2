"""``caffe train``: train or finetune a model."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Callable, Iterator

from caffe_sdk import mode
from caffe_sdk.app.tasks import open_solver
from caffe_sdk.cli.flags import required, stages
from caffe_sdk.cli.progress import TrainingBar
from caffe_sdk.cli.signals import handled
from caffe_sdk.layers.plugins import user_module
from caffe_sdk.schema.messages import SolverParameter
from caffe_sdk.solver import Event, Options, Solver, metrics
from caffe_sdk.solver.log import TrainingLog

log = logging.getLogger(__name__)

SIGNALS = ("SIGINT", "SIGHUP", "SIGTERM", "SIGUSR1")


def run(options: argparse.Namespace) -> int:
    """Train to ``max_iter``, or until somebody asks for the end."""
    path = required(options, "solver", "Need a solver definition to train.")
    if options.gpu:
        mode.set_mode_gpu()
    for module in options.modules or ():
        user_module(module, "-import")
    wishes = Options(options.watch, options.patience, options.keep_last, options.keep_best, options.skip_mismatch)
    solver = open_solver(path, options.weights, options.snapshot, options.level, stages(options), wishes)
    with contextlib.closing(solver), contextlib.ExitStack() as stack:
        if not options.gpu:
            _choose_mode(solver)
        watchers: list[Callable[[Event], None]] = [TrainingLog()]
        for recorder in _recorders(options, solver):
            watchers.append(stack.enter_context(contextlib.closing(recorder)))
        stack.enter_context(handled(solver, {name: getattr(options, f"{name.lower()}_effect") for name in SIGNALS}))
        log.info("Starting Optimization")
        watchers.append(stack.enter_context(TrainingBar(solver.iter, solver.param.max_iter, _images(solver))))
        for event in solver.events():
            for watcher in watchers:
                watcher(event)
    return 0


def _recorders(options: argparse.Namespace, solver: Solver) -> Iterator[metrics.Recorder]:
    every = solver.param.display == 0
    for path in options.metrics or ():
        yield metrics.record(path, every)
    if options.tensorboard:
        yield metrics.TensorBoard(options.tensorboard, every)


def _choose_mode(solver: Solver) -> None:
    if solver.param.HasField("solver_mode") and solver.param.solver_mode == SolverParameter.GPU:
        log.warning("The solver says solver_mode: GPU; this version has no GPU engine, and trains on the CPU.")
    else:
        log.info("Use CPU.")


def _images(solver: Solver) -> int:
    """How many images an iteration takes: the first axis of the net's first blob, and iter_size of them."""
    first = next(iter(solver.net.blobs.values())).shape
    return int((first[0] if first else 1) * solver.param.iter_size)
