"""The loss scale of a training in float16: what gradients are multiplied by while they are stored in 16 bits.

It begins large. Where a parameter's gradient overflows, the update is left out and the scale halved; after many good
ones it is doubled. What is found is looked at in the next iteration, when the host waits for the loss anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from caffe_sdk.engine.cuda.update import CudaUpdate
from caffe_sdk.errors import SolverError
from caffe_sdk.memory import HOST, Tensor, new_tensor

log = logging.getLogger(__name__)

FIRST, LARGEST = 2.0**16, 2.0**24
GOOD = 2000
"""Updates between two doublings."""


class DynamicScale:
    """The scale of one training. ``value`` now, ``good`` updates since it changed, ``skipped`` ones in all."""

    def __init__(self, engine: CudaUpdate) -> None:
        self._engine = engine
        self.value, self.good, self.skipped = FIRST, 0, 0
        self._found = new_tensor((1,))
        self._checked = False

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Gradients that this thread computes inside a with block are scaled."""
        now = self._engine.now
        before, now.scale = now.scale, self.value
        try:
            yield
        finally:
            now.scale = before

    def check(self, gradients: Sequence[Tensor]) -> Tensor | None:
        """A number that will not be 0 where a gradient is no finite number; updates can be made unless it is."""
        self._engine.find_not_finite(gradients, self._found)
        self._checked = True
        return self._found

    def judge(self) -> None:
        """Follow what the last check found. SolverError where a smaller scale would not help."""
        if not self._checked:
            return
        self._checked = False
        if not self._found.memory.read(HOST)[0]:
            self.good += 1
            if self.good == GOOD:
                self.value, self.good = min(2 * self.value, LARGEST), 0
            return
        if self.value <= 1:
            what = "a gradient is not a finite number, and no loss scale helps"
            remedy = "check the data, make base_lr smaller, or compute in bfloat16; go on from the last snapshot"
            raise SolverError("update of the weights", what, remedy)
        self.value, self.good, self.skipped = self.value / 2, 0, self.skipped + 1
        words = "A gradient overflowed: its update was left out (%d so far), and the loss scale is %g now"
        log.info(words, self.skipped, self.value)

    def state(self) -> dict[str, float]:
        """What `restore` takes."""
        return {"value": self.value, "good": self.good, "skipped": self.skipped}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from there."""
        self.value, self._checked = float(state["value"]), False
        self.good, self.skipped = int(state["good"]), int(state["skipped"])


class FixedScale(DynamicScale):
    """A scale that stays. A gradient that overflows is an error, as in float32."""

    def __init__(self, engine: CudaUpdate, value: float) -> None:
        super().__init__(engine)
        self.value = value

    def check(self, gradients: Sequence[Tensor]) -> Tensor | None:
        """Nothing is looked for: updates say themselves that they are no numbers."""
        return None

    def restore(self, state: Mapping[str, float]) -> None:
        """The scale that was asked for stays."""
