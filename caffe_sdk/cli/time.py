"""``caffe time``: benchmark the layers of a model."""

from __future__ import annotations

import argparse
import logging

from caffe_sdk import mode
from caffe_sdk.app.tasks import TimedIteration, measure
from caffe_sdk.cli.flags import required, stages

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Time forward and backward passes; log each layer's mean time and the net's."""
    model = required(options, "model", "Need a model definition to time.")
    if options.gpu:
        mode.set_mode_gpu()
    log.info("Use CPU.")
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
    log.info("*** Benchmark ends ***")
    return 0
