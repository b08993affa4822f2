"""Before a version is ready: whether its items may share a batch, and each size of batch computed once."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np

from caffe_sdk.errors import CaffeError
from caffe_sdk.memory import Array
from caffe_sdk.serving.contexts import Contexts, Sizes
from caffe_sdk.serving.deploy import Deployed
from caffe_sdk.serving.processors import Processors

log = logging.getLogger(__name__)

CLOSE = 1e-3
"""How far results may differ, as a part of the largest, when batches of other sizes are computed in other ways."""
RUNS = 3
"""Of each size, after the first, which makes its programs."""


def items_are_apart(deployed: Deployed, contexts: Contexts, processors: Processors) -> bool:
    """Whether the results of a batch are those of its items, seen from a trial with two items.

    The shapes of a net do not tell: what a recurrent layer calls the batch is time. Inputs are zeros and ones, which
    make sense to every layer, indices of an Embed layer included; in the first item they take turns, the second is all
    ones, by which a recurrent layer's sequence goes on.
    """
    pair = {name: np.ones((2, *sizes), np.float32) for name, sizes in deployed.items.items()}
    outputs = [spec.name for spec in deployed.outputs]
    for array in pair.values():
        array[0].flat[::2] = 0
    found = []
    try:
        for rows in (slice(0, 2), slice(1, 2), slice(0, 1)):
            part = {name: array[rows] for name, array in pair.items()}
            computed = processors.run(partial(contexts.run, [part], rows.stop - rows.start, outputs))
            found.append(computed.outputs[0])
    except CaffeError as error:
        log.info("%s: requests are computed one by one, a trial failed: %s", deployed.net.name, error)
        return False
    both, second, first = found
    return all(_alike(both[name], np.concatenate([first[name], second[name]])) for name in outputs)


def warm_up(deployed: Deployed, contexts: Contexts, sizes: Sizes, processors: Processors) -> None:
    """Compute batches of every size, and note what they cost; other models' batches are computed between them.

    Raises what the net raises, and LimitError for memory it may not take.
    """
    for size in reversed(sizes.all):  # so that memory that may not be taken is told at once
        batch = {name: np.zeros((size, *sizes), np.float32) for name, sizes in deployed.items.items()}
        outputs = [spec.name for spec in deployed.outputs]
        for run in range(1 + RUNS):
            computed = processors.run(partial(contexts.run, [batch], size, outputs, keep=True))
            if run:
                sizes.took(size, computed.timings.compute_infer / 1e9)


def _alike(a: Array, b: Array) -> bool:
    scale = float(np.nanmax(np.abs(b), initial=0))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=CLOSE * max(scale, 1e-30), equal_nan=True))
