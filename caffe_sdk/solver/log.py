"""Events as log lines, word for word as Caffe's solver writes them: tools that parse Caffe's logs understand them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from caffe_sdk.solver.events import Evaluated, Event, Finished, Iteration, Output, Snapshot, Started, Tested, Testing

log = logging.getLogger(__name__)


class TrainingLog:
    """Writes each event it is called with to the logger of this module, at level INFO."""

    def __init__(self) -> None:
        self._since = time.perf_counter()  # the last displayed iteration
        self._iteration: int | None = None
        self._solving = False

    def __call__(self, event: Event) -> None:
        for line in self.lines(event):
            log.info(line)

    def lines(self, event: Event) -> list[str]:
        """The lines of an event; none for most."""
        match event:
            case Started():
                self._solving = True
                return [f"Solving {event.net}", f"Learning Rate Policy: {event.lr_policy}"]
            case Testing(batch=0):
                return [f"Iteration {event.iteration}, Testing net (#{event.net_index})"]
            case Tested(interrupted=True):
                return ["Test interrupted."]
            case Tested():
                loss = [f"Test loss: {event.loss:g}"] if event.loss is not None else []
                return loss + _outputs("Test", event.outputs)
            case Iteration(displayed=True):
                return self._iteration_lines(event)
            case Snapshot():
                caffemodel, solverstate = event.paths[:2]
                form = "HDF5" if solverstate.endswith(".h5") else "binary proto"
                return [
                    f"Snapshotting to {form} file {caffemodel}",
                    f"Snapshotting solver state to {form} file {solverstate}",
                ]
            case Evaluated():
                return [f"Iteration {event.iteration}, loss = {event.smoothed_loss:g}"]
            case Finished() if self._solving:
                return ["Optimization stopped early." if event.stopped else "Optimization Done."]
            case _:
                return []

    def _iteration_lines(self, event: Iteration) -> list[str]:
        now = time.perf_counter()
        done = event.iteration - self._iteration if self._iteration is not None else 0
        seconds = now - self._since
        self._since, self._iteration = now, event.iteration
        speed = done / (seconds or 1.0)
        return [
            f"Iteration {event.iteration} ({speed:g} iter/s, {seconds:g}s/{done} iters), "
            f"loss = {event.smoothed_loss:g}",
            *_outputs("Train", event.outputs),
            f"Iteration {event.iteration}, lr = {event.rate:g}",
        ]


def _outputs(kind: str, outputs: Sequence[Output]) -> list[str]:
    lines = []
    for i, output in enumerate(outputs):
        weight = output.loss_weight
        loss = f" (* {weight:g} = {weight * output.value:g} loss)" if weight else ""
        lines.append(f"    {kind} net output #{i}: {output.name} = {output.value:g}{loss}")
    return lines
