"""A progress bar for whoever watches a terminal; elsewhere the log lines are enough."""

from __future__ import annotations

import sys
from types import TracebackType

from caffe_sdk.solver import Event
from caffe_sdk.solver.events import Iteration, Testing


class TrainingBar:
    """Shows iteration, loss, rate, images per second and the time to go; nothing where stderr is no terminal.

    ``first`` and ``last`` are the iterations of begin and end, ``images`` how many an iteration takes.
    """

    def __init__(self, first: int, last: int, images: int) -> None:
        from tqdm import tqdm

        self._images = images
        self._bar = tqdm(
            total=last,
            initial=first,
            unit="it",
            dynamic_ncols=True,
            file=sys.stderr,
            smoothing=0.1,
            disable=None,  # off unless stderr is a terminal
        )

    def __call__(self, event: Event) -> None:
        """Show what has happened."""
        if isinstance(event, Iteration):
            speed = self._images / event.seconds if event.seconds else 0.0
            words = f"loss {event.smoothed_loss:.4g}, lr {event.rate:.4g}, {speed:.0f} images/s"
            self._bar.set_description("Train", refresh=False)
            self._bar.set_postfix_str(words, refresh=False)
            self._bar.update()
        elif isinstance(event, Testing):
            self._bar.set_description(f"Test net {event.net_index}, batch {event.batch} of {event.batches}")

    def __enter__(self) -> TrainingBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
