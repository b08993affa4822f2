"""Maximum and average of windows, by loops over planes."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.engine.operation import quiet
from caffe_sdk.engine.portable.conditions import apart, usable
from caffe_sdk.engine.portable.team import shared
from caffe_sdk.engine.reference.pooling import Pooling, divisors
from caffe_sdk.memory import Array, Shape, Tensor

LOWEST = np.finfo(np.float32).min


class FastPooling(Pooling):
    """Where a window holds NaN, its maximum may be another value, as in Caffe."""

    @quiet
    def max_pool(self, x: Tensor, y: Tensor, mask: Tensor | None, geometry: PoolingGeometry) -> None:
        """y = the maximum of each window; mask (int32) = its index in the h * w plane, the first one's of equals."""
        if not (usable(x, y) and apart(y, x)):
            super().max_pool(x, y, mask, geometry)
            return
        from caffe_sdk.engine.portable.loops import pooling as loops

        values, window = _planes(self.read(x)), _window(geometry, x.shape)
        result = _planes(self.write(y))
        if mask is None:
            shared(lambda i, j: loops.max_pool(values[i:j], result[i:j], window, LOWEST), len(values), values.size)
        else:
            where = _planes(self.write(mask))
            shared(
                lambda i, j: loops.max_pool_where(values[i:j], result[i:j], where[i:j], window, LOWEST),
                len(values),
                values.size,
            )

    @quiet
    def max_pool_grad(self, dy: Tensor, mask: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx[mask] += dy."""
        if not (usable(dy, dx) and apart(dx, dy)):
            super().max_pool_grad(dy, mask, dx, geometry)
            return
        from caffe_sdk.engine.portable.loops import pooling as loops

        planes = dx.shape[0] * dx.shape[1]
        gradient, chosen = self.read(dy).reshape(planes, -1), self.read(mask).reshape(planes, -1)
        result = self.write(dx).reshape(planes, -1)
        shared(lambda i, j: loops.max_pool_grad(gradient[i:j], chosen[i:j], result[i:j]), planes, result.size)

    @quiet
    def average_pool(self, x: Tensor, y: Tensor, geometry: PoolingGeometry) -> None:
        """y = the sum of each window / the part of the window that lies inside the image or its padding."""
        if not (usable(x, y) and apart(y, x)):
            super().average_pool(x, y, geometry)
            return
        from caffe_sdk.engine.portable.loops import pooling as loops

        shares = 1 / divisors(x.shape, y.shape, geometry, np.dtype(np.float32))
        values, window = _planes(self.read(x)), _window(geometry, x.shape)
        result = _planes(self.write(y))
        shared(lambda i, j: loops.average_pool(values[i:j], result[i:j], shares, window), len(values), values.size)

    @quiet
    def average_pool_grad(self, dy: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx += dy / divisor at every place of its window."""
        if not (usable(dy, dx) and apart(dx, dy)):
            super().average_pool_grad(dy, dx, geometry)
            return
        from caffe_sdk.engine.portable.loops import pooling as loops

        shares = 1 / divisors(dx.shape, dy.shape, geometry, np.dtype(np.float32))
        slopes, window = _planes(self.read(dy)), _window(geometry, dx.shape)
        result = _planes(self.write(dx))
        shared(lambda i, j: loops.average_pool_grad(slopes[i:j], result[i:j], shares, window), len(slopes), dx.count)


def _planes(x: Array) -> Array:
    """(n, c, h, w) as (planes, h, w)."""
    return x.reshape(-1, *x.shape[2:])


def _window(geometry: PoolingGeometry, x: Shape) -> tuple[int, ...]:
    """Kernel, stride and padding, none further than there is anything to see."""
    seen = geometry.clipped((x[2], x[3]))
    return *seen.kernel, *seen.stride, *seen.pad
