"""Update rules of solvers: one operation each."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Tensor


class Update(EngineBase):
    """Shapes: weight, diff and history all alike."""

    @operation(updates="weight diff history")
    def sgd_update(
        self,
        weight: Tensor,
        diff: Tensor,
        history: Tensor,
        rate: float,
        momentum: float,
        decay: float,
        l1: bool,
        scale: float,
    ) -> None:
        """history = momentum history + rate (scale diff + decay weight);  diff = history;  weight -= history.

        With ``l1`` the decay is that of the weight's sign. Caffe too leaves the step in diff.
        """
        values, gradient, steps = self.update(weight), self.update(diff), self.update(history)
        gradient *= scale
        if decay:
            gradient += decay * (np.sign(values) if l1 else values)
        steps *= momentum
        steps += rate * gradient
        gradient[...] = steps
        values -= steps
