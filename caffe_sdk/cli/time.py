"""``caffe time``: benchmark the layers of a model."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from caffe_sdk import mode
from caffe_sdk.app.profile import StepTime, peak
from caffe_sdk.app.tasks import TimedIteration, measure
from caffe_sdk.cli.flags import required, stages

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Time forward and backward passes; log each layer's mean time and the net's, and what the compiled net does."""
    model = required(options, "model", "Need a model definition to time.")
    if options.gpu:
        mode.use_gpus(options.gpu)
    log.info("Use GPU with device ID %s" if options.gpu else "Use CPU.", *[options.gpu] * bool(options.gpu))
    log.info("*** Benchmark begins ***")
    log.info("Testing for %d iterations.", options.iterations)
    phase = (options.phase or "TRAIN").lower()
    for event in measure(model, options.iterations, phase, options.weights, options.level, stages(options)):
        if isinstance(event, TimedIteration):
            log.info("Iteration: %d forward-backward time: %g ms.", event.iteration + 1, event.seconds * 1e3)
            continue
        log.info("Average time per layer:")
        for layer in event.layers:
            log.info("%10s\tforward: %g ms.", layer.name, layer.forward * 1e3)
            log.info("%10s\tbackward: %g ms.", layer.name, layer.backward * 1e3)
        log.info("Average Forward pass: %g ms.", event.forward * 1e3)
        log.info("Average Backward pass: %g ms.", event.backward * 1e3)
        log.info("Average Forward-Backward: %g ms.", (event.forward + event.backward) * 1e3)
        log.info("Total Time: %g ms.", event.total * 1e3)
        most = peak()
        log.info("Peak, measured by a product of matrices: %.1f GFLOP/s.", most / 1e9)
        _log_steps("forward", event.forward_steps, most)
        _log_steps("backward", event.backward_steps, most)
    log.info("*** Benchmark ends ***")
    return 0


def _log_steps(direction: str, steps: Sequence[StepTime], most: float) -> None:
    """What the compiled net does one way, a line a step."""
    if not steps:
        return
    log.info("Steps of the compiled net %s: %g ms.", direction, sum(step.seconds for step in steps) * 1e3)
    for step in steps:
        rate = f"{step.rate / 1e9:6.1f} GFLOP/s {step.rate / most:4.0%}" if step.multiply_adds else " " * 19
        layers, means = ", ".join(step.layers), " + ".join(step.means)
        log.info("%9.3f ms %s  %s: %s", step.seconds * 1e3, rate, layers, means)
