"""How long the parts of a training iteration take, in the log."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable

from caffe_sdk.solver import Event, Solver
from caffe_sdk.solver.events import Iteration
from caffe_sdk.timer import now

log = logging.getLogger(__name__)


class Timing:
    """Takes the times of each layer forward and backward, of the exchange of gradients, and of the whole iteration.

    Given events, it logs the milliseconds of each iteration that is displayed. Layers run one by one for it, so an
    iteration takes longer than without.
    """

    def __init__(self, solver: Solver) -> None:
        self._names = [layer.name for layer in solver.net.layers]
        self._seconds: defaultdict[tuple[str, int], float] = defaultdict(float)
        self._began = self._last = 0.0
        net = solver.net
        net.before_forward(self._start)
        net.after_forward(self._noting("forw"))
        net.before_backward(self._start)
        net.after_backward(self._noting("back"))
        solver.callbacks.on_start.append(self._restart)
        solver.callbacks.on_gradients_ready.append(lambda: self._noting("allreduce")(0))

    def __call__(self, event: Event) -> None:
        if isinstance(event, Iteration) and event.displayed:
            for line in self.lines(event.seconds):
                log.info("%s", line)

    def lines(self, seconds: float) -> list[str]:
        """The times of the last iteration, which took ``seconds`` in all."""
        width = max(map(len, self._names), default=0)
        lines = [
            f"{direction} {i:3d} {name:>{width}s}: {1000 * self._seconds[direction, i]:.2f} ms"
            for direction in ("forw", "back")
            for i, name in enumerate(self._names)
        ]
        allreduce = 1000 * self._seconds["allreduce", 0]
        return [*lines, f"solver total: {1000 * seconds:.2f} ms", f"allreduce: {allreduce:.2f} ms"]

    def _restart(self) -> None:
        self._seconds.clear()

    def _start(self, layer: int) -> None:
        self._last = now()

    def _noting(self, part: str) -> Callable[[int], None]:
        def note(layer: int) -> None:
            moment = now()
            self._seconds[part, layer] += moment - self._last
            self._last = moment

        return note
