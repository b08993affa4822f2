"""``caffe test``: score a model."""

from __future__ import annotations

import argparse
import logging

from caffe_sdk import mode
from caffe_sdk.app.tasks import TestBatch, evaluate
from caffe_sdk.cli.flags import required, stages
from caffe_sdk.solver import Output

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Run the model over some batches; log each one's outputs, and their means in the end."""
    model = required(options, "model", "Need a model definition to score.")
    weights = required(options, "weights", "Need model weights to score.")
    if options.gpu:
        mode.use_gpus(options.gpu)
    log.info("Use GPU with device ID %s" if options.gpu else "Use CPU.", *[options.gpu] * bool(options.gpu))
    log.info("Running for %d iterations.", options.iterations)
    for event in evaluate(model, weights, options.iterations, options.level, stages(options)):
        if isinstance(event, TestBatch):
            for output in event.outputs:
                log.info("Batch %d, %s = %g", event.batch, output.name, output.value)
        else:
            log.info("Loss: %g", event.loss)
            for output in event.outputs:
                log.info("%s", _mean(output))
    return 0


def _mean(output: Output) -> str:
    weighted = f" (* {output.loss_weight:g} = {output.loss_weight * output.value:g} loss)" if output.loss_weight else ""
    return f"{output.name} = {output.value:g}{weighted}"
