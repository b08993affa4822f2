"""Maximum, average and random value of windows over the two spatial axes of (n, c, h, w)."""

from __future__ import annotations

import math

import numpy as np

from caffe_sdk.engine.base import EngineBase
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.engine.operation import operation
from caffe_sdk.engine.reference.windows import add_windows, inner, padded, windows
from caffe_sdk.memory import Array, Shape, Tensor

NO_DILATION = (1, 1)


class Pooling(EngineBase):
    """Shapes: x (n, c, h, w), y and mask (n, c, *geometry.output_size)."""

    @operation(writes="y mask")
    def max_pool(self, x: Tensor, y: Tensor, mask: Tensor | None, geometry: PoolingGeometry) -> None:
        """y = the maximum of each window; mask (int32) = its index in the h * w plane, the first one's of equals.

        As in Caffe, a window that lies wholly outside the image (stride > kernel, no padding) gives -FLT_MAX, and -1.
        """
        values = self.read(x)
        seen = _flat_windows(values, y.shape, geometry, float(np.finfo(values.dtype).min))
        best = seen.argmax(axis=2)
        self.write(y)[...] = np.take_along_axis(seen, best[:, :, None], axis=2)[:, :, 0]
        if mask is not None:
            self.write(mask)[...] = _places(best, values.shape, y.shape, geometry)

    @operation(writes="dx")
    def max_pool_grad(self, dy: Tensor, mask: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx[mask] += dy."""
        n, c, h, w = dx.shape
        gradient, chosen = self.read(dy), self.read(mask)
        index = (np.arange(n * c) * (h * w)).reshape(n, c, 1, 1) + chosen
        there = chosen >= 0
        self.write(dx)[...] = np.bincount(index[there], gradient[there], n * c * h * w).reshape(dx.shape)

    @operation(writes="y")
    def average_pool(self, x: Tensor, y: Tensor, geometry: PoolingGeometry) -> None:
        """y = the sum of each window / the part of the window that lies inside the image or its padding."""
        values = self.read(x)
        image = padded(values, geometry.pad, _extent(values.shape, y.shape, geometry), 0)
        seen = windows(image, geometry.kernel, geometry.stride, NO_DILATION, y.shape[2:])
        self.write(y)[...] = seen.sum(axis=(2, 3)) / divisors(values.shape, y.shape, geometry, values.dtype)

    @operation(writes="dx")
    def average_pool_grad(self, dy: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx += dy / divisor at every place of its window."""
        gradient = self.read(dy)
        shares = gradient / divisors(dx.shape, dy.shape, geometry, gradient.dtype)
        image = np.zeros(dx.shape[:2] + _extent(dx.shape, dy.shape, geometry), gradient.dtype)
        kernel, out = geometry.kernel, dy.shape[2:]
        every = np.broadcast_to(shares[:, :, None, None], (*dx.shape[:2], *kernel, *out))
        add_windows(every, image, kernel, geometry.stride, NO_DILATION, out)
        self.write(dx)[...] = image[inner(dx.shape[2:], geometry.pad)]

    @operation(writes="y mask")
    def stochastic_pool(
        self, x: Tensor, y: Tensor, mask: Tensor, geometry: PoolingGeometry, rng: np.random.Generator
    ) -> None:
        """y = one value of each window, drawn with probabilities in proportion to the values (Zeiler, Fergus 2013).

        x holds no negative values. mask (int32) = the drawn value's index in the h * w plane; its gradient is that of
        `max_pool_grad`. A window of zeros gives 0.
        """
        values = self.read(x)
        seen = _flat_windows(values, y.shape, geometry)
        sums = seen.cumsum(axis=2)
        threshold = rng.random(sums[:, :, 0].shape).astype(values.dtype) * sums[:, :, -1]
        drawn = (sums >= threshold[:, :, None]).argmax(axis=2)
        self.write(y)[...] = np.take_along_axis(seen, drawn[:, :, None], axis=2)[:, :, 0]
        self.write(mask)[...] = _places(drawn, values.shape, y.shape, geometry)

    @operation(writes="y")
    def expected_pool(self, x: Tensor, y: Tensor, geometry: PoolingGeometry) -> None:
        """y = what stochastic_pool draws on average: sum of x^2 / sum of x over each window; 0 for zeros."""
        values = self.read(x)
        seen = _flat_windows(values, y.shape, geometry)
        self.write(y)[...] = np.square(seen).sum(axis=2) / (seen.sum(axis=2) + np.finfo(values.dtype).tiny)

    @operation(writes="dx")
    def expected_pool_grad(self, x: Tensor, dy: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx += dy (2 x - y) / sum of x, at every place of each window."""
        values, gradient = self.read(x), self.read(dy)
        seen = _flat_windows(values, dy.shape, geometry)
        total = seen.sum(axis=2, keepdims=True) + np.finfo(values.dtype).tiny
        mean = np.square(seen).sum(axis=2, keepdims=True) / total
        shares = gradient[:, :, None] * (2 * seen - mean) / total
        image = np.zeros(values.shape[:2] + _extent(values.shape, dy.shape, geometry), values.dtype)
        shares = shares.reshape(*values.shape[:2], *geometry.kernel, *dy.shape[2:])
        add_windows(shares, image, geometry.kernel, geometry.stride, NO_DILATION, dy.shape[2:])
        self.write(dx)[...] = image[inner(values.shape[2:], geometry.pad)]


def _flat_windows(values: Array, y: Shape, geometry: PoolingGeometry, outside: float = 0) -> Array:
    """What each window sees, (n, c, kh * kw, oh, ow); ``outside`` the image this value."""
    image = padded(values, geometry.pad, _extent(values.shape, y, geometry), outside)
    seen = windows(image, geometry.kernel, geometry.stride, NO_DILATION, y[2:])
    return seen.reshape(*values.shape[:2], math.prod(geometry.kernel), *y[2:])


def _places(chosen: Array, x: Shape, y: Shape, geometry: PoolingGeometry) -> Array:
    """Indices into the h * w plane of what was chosen in each window; -1 outside the image."""
    (h, w), (oh, ow), kw = x[2:], y[2:], geometry.kernel[1]
    rows = chosen // kw + (np.arange(oh) * geometry.stride[0] - geometry.pad[0])[:, None]
    columns = chosen % kw + np.arange(ow) * geometry.stride[1] - geometry.pad[1]
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    return np.where(inside, rows * w + columns, -1)


def _extent(x: Shape, y: Shape, geometry: PoolingGeometry) -> Shape:
    """Spatial sizes of the image with its padding in front and whatever the last windows reach to behind."""
    return tuple(
        max(n + p, s * (o - 1) + k)
        for n, p, s, o, k in zip(x[2:], geometry.pad, geometry.stride, y[2:], geometry.kernel, strict=True)
    )


def divisors(x: Shape, y: Shape, geometry: PoolingGeometry, dtype: np.dtype[np.generic]) -> Array:
    """What each window's sum is divided by, (oh, ow). Windows that see nothing have the sum 0 and stay 0."""
    h, w = ([max(1, geometry.window(o, x[2 + i], i)[2]) for o in range(y[2 + i])] for i in (0, 1))
    return np.outer(h, w).astype(dtype)
