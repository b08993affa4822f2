"""Many values to one: sums, and where the largest are."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.operation import operation
from caffe_sdk.memory import Array, Tensor


class Reduction(EngineBase):
    """Shapes: x (rows, values), y (rows,)."""

    @operation(writes="y")
    def reduce(self, x: Tensor, y: Tensor, kind: str, factor: float) -> None:
        """y = factor * the SUM of each row, of its magnitudes (ASUM), or of its squares (SUMSQ)."""
        terms = self.read(x)
        if kind == "ASUM":
            terms = np.abs(terms)
        if kind == "SUMSQ":
            terms = terms * terms
        self.write(y)[...] = factor * terms.sum(axis=1)

    @operation(writes="dx")
    def reduce_grad(self, x: Tensor, dy: Tensor, dx: Tensor, kind: str, factor: float) -> None:
        """dx = factor dy, times sign x for ASUM, times 2 x for SUMSQ."""
        result = factor * self.read(dy)[:, None]
        if kind == "ASUM":
            result = result * np.sign(self.read(x))
        if kind == "SUMSQ":
            result = result * 2 * self.read(x)
        self.write(dx)[...] = result

    @operation(writes="indices values")
    def largest(self, x: Tensor, indices: Tensor | None, values: Tensor | None, axis: int) -> None:
        """The largest values along an axis, largest first, and where they are; of equals the last counts as larger.

        indices and values are like x but for the axis, whose size says how many are wanted.
        """
        given = self.read(x)
        for out, of_places in ((indices, True), (values, False)):
            if out is not None:
                places = _largest(given, out.shape[axis], axis)
                self.write(out)[...] = places if of_places else np.take_along_axis(given, places, axis)

    @operation(writes="y")
    def largest_of_rows(self, x: Tensor, y: Tensor, with_values: bool) -> None:
        """y (rows, 1 or 2, k, ...) = where the k largest values of each row are, and ``with_values`` these too."""
        given = self.read(x)
        places = _largest(given, y.shape[2], 1)
        found = [places, np.take_along_axis(given, places, 1)] if with_values else [places]
        self.write(y)[...] = np.stack(found, axis=1).reshape(y.shape)


def _largest(x: Array, count: int, axis: int) -> Array:
    """Where the largest values along an axis are, largest first; of equals the last counts as larger."""
    ascending = np.argsort(x, axis, kind="stable")
    return np.flip(ascending, axis).take(range(count), axis)
