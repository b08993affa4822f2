"""A progress bar for whoever watches a terminal; elsewhere the log lines are enough."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caffe_sdk.solver import Event


def watch(events: Iterator[Event], first: int, last: int, batch: int) -> None:
    """Let the events happen. On a terminal, show iteration, loss, rate, images per second and the time to go.

    ``first`` and ``last`` are the iterations of begin and end, ``batch`` the images an iteration takes.
    """
    if not sys.stderr.isatty():
        for _ in events:
            pass
        return
    from tqdm import tqdm

    from caffe_sdk.solver.events import Iteration, Testing

    with tqdm(total=last, initial=first, unit="it", dynamic_ncols=True, file=sys.stderr, smoothing=0.1) as bar:
        for event in events:
            if isinstance(event, Iteration):
                speed = batch / event.seconds if event.seconds else 0.0
                bar.set_description("Train", refresh=False)
                bar.set_postfix_str(
                    f"loss {event.smoothed_loss:.4g}, lr {event.rate:.4g}, {speed:.0f} images/s", refresh=False
                )
                bar.update()
            elif isinstance(event, Testing):
                bar.set_description(f"Test net {event.net_index}, batch {event.batch}/{event.batches}")
