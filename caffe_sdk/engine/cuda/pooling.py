"""Maximum, average and random value of windows over the two spatial axes of (n, c, h, w)."""

from __future__ import annotations

import numpy as np

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.dnn.descriptors import Pooling as Kind
from caffe_sdk.engine.cuda.dnn.pooling import AveragePoolGrad, Pool
from caffe_sdk.engine.cuda.dnn.shapes import TYPES, Layout
from caffe_sdk.engine.cuda.draws import Draw, skip_wholes
from caffe_sdk.engine.cuda.neuron import DRAWS
from caffe_sdk.engine.cuda.structures import Pool as Windows
from caffe_sdk.engine.cuda.structures import pool
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.engine.reference.pooling import Pooling
from caffe_sdk.memory import Tensor


class CudaPooling(CudaBase, Pooling):
    """A thread for each window, and for the gradient one for each value of the image; or for some a call of cuDNN."""

    def max_pool(self, x: Tensor, y: Tensor, mask: Tensor | None, geometry: PoolingGeometry) -> None:
        """y = the maximum of each window; mask (int32) = its index in the h * w plane, of which cuDNN knows nothing."""
        windows = self._windows(x, y, geometry)
        job = self._pool(Kind.MAX, x, y, geometry) if mask is None else None
        given, made = [self.source(x)], [self.target(y)]
        self.either(job, given, made, self.kernel("max_pool", y.count, self.target(mask), windows))

    def max_pool_grad(self, dy: Tensor, mask: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx[mask] += dy."""
        windows = self._windows(dx, dy, geometry)
        self.launch("max_pool_grad", dx.count, self.source(dy), self.source(mask), self.target(dx), windows)

    def average_pool(self, x: Tensor, y: Tensor, geometry: PoolingGeometry) -> None:
        """y = the sum of each window / the part of the window that lies inside the image or its padding."""
        job, windows = self._pool(Kind.AVERAGE, x, y, geometry), self._windows(x, y, geometry)
        self.either(job, [self.source(x)], [self.target(y)], self.kernel("average_pool", y.count, windows))

    def average_pool_grad(self, dy: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx += dy / divisor at every place of its window."""
        job, windows = AveragePoolGrad(self._pool(Kind.AVERAGE, dx, dy, geometry)), self._windows(dx, dy, geometry)
        self.either(job, [self.source(dy)], [self.target(dx)], self.kernel("average_pool_grad", dx.count, windows))

    def stochastic_pool(
        self, x: Tensor, y: Tensor, mask: Tensor, geometry: PoolingGeometry, rng: np.random.Generator
    ) -> None:
        """y = one value of each window, drawn in proportion to the values: the very one of the other engines."""
        draws = self.scratch("draws", y.count)
        begin = self.drawn(Draw(rng, skip_wholes, y.count))
        self.launch("uniform", -(-y.count // DRAWS), draws, y.count, begin)
        windows = self._windows(x, y, geometry)
        self.launch("stochastic_pool", y.count, self.source(x), draws, self.target(y), self.target(mask), windows)

    def expected_pool(self, x: Tensor, y: Tensor, geometry: PoolingGeometry) -> None:
        """y = what stochastic_pool draws on average: sum of x^2 / sum of x over each window; 0 for zeros."""
        self.launch("expected_pool", y.count, self.source(x), self.target(y), self._windows(x, y, geometry))

    def expected_pool_grad(self, x: Tensor, dy: Tensor, dx: Tensor, geometry: PoolingGeometry) -> None:
        """dx += dy (2 x - y) / sum of x, at every place of each window."""
        windows = self._windows(x, dy, geometry)
        self.launch("expected_pool_grad", dx.count, self.source(x), self.source(dy), self.target(dx), windows)

    def _windows(self, x: Tensor, y: Tensor, geometry: PoolingGeometry) -> Windows:
        """The windows from x to y, as these lie now."""
        return pool(x.shape, y.shape, geometry, self.now.last)

    def _pool(self, kind: Kind, x: Tensor, y: Tensor, geometry: PoolingGeometry) -> Pool:
        layout = Layout.NHWC if self.now.last else Layout.NCHW
        return Pool(kind, x.shape, y.shape, geometry, TYPES[self.now.real], layout)
