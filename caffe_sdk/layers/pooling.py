"""Layers that keep one number of every window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.layers.base import Arity, Layer, fitted, layer
from caffe_sdk.memory import Shape, Tensor, new_tensor
from caffe_sdk.schema.messages import PoolingParameter


@layer("Pooling")
class Pooling(Layer):
    """y = the maximum (MAX) or average (AVE) of each window.  (n, c, h, w) -> (n, c, h', w')

    STOCHASTIC draws a value in proportion to the values in TRAIN, and takes the expectation in TEST; inputs are not
    negative then. MAX may have a second top: where in the h * w plane each maximum was. ``global_pooling`` takes the
    whole plane.
    """

    tops = Arity(1, 2)
    smooth_tops = 1

    def setup(self, config: Any) -> None:
        self.param = config.pooling_param
        self.method: str = PoolingParameter.PoolMethod.Name(self.param.pool)
        self.mask: Tensor | None = None
        self.check(
            self.method == "MAX" or len(config.top) < 2,
            f"pool: {self.method} has no mask for a second top",
            "remove the top",
        )
        self.kernel, self.stride, self.pad = self._kernel(), self._pair("stride", 1), self._pair("pad", 0)
        self.check(all(s > 0 for s in self.stride), f"stride {self.stride}", "give 1 or more")
        if self.kernel is None:
            self.check(
                self.pad == (0, 0) and self.stride == (1, 1),
                f"global_pooling with pad {self.pad} and stride {self.stride}",
                "leave out pad and stride",
            )
        else:
            self.check(all(k > 0 for k in self.kernel), f"kernel {self.kernel}", "give 1 or more")
            self.check(
                all(p < k for p, k in zip(self.pad, self.kernel, strict=True)),
                f"pad {self.pad} with kernel {self.kernel}",
                "use a pad smaller than the kernel",
            )

    def _kernel(self) -> tuple[int, int] | None:
        """Height and width of the windows; None for the whole plane."""
        given = [name for name in ("kernel_size", "kernel_h", "kernel_w") if self.param.HasField(name)]
        if self.param.global_pooling:
            self.check(not given, f"global_pooling beside {' and '.join(given)}", "use one or the other")
            return None
        if given == ["kernel_size"]:
            return self.param.kernel_size, self.param.kernel_size
        self.check(
            given == ["kernel_h", "kernel_w"],
            f"has {' and '.join(given) or 'no kernel_size'}",
            "give kernel_size, or kernel_h and kernel_w",
        )
        return self.param.kernel_h, self.param.kernel_w

    def _pair(self, name: str, default: int) -> tuple[int, int]:
        """Stride or pad along height and width: ``name``, or ``name``_h and ``name``_w."""
        given = [field for field in (name, f"{name}_h", f"{name}_w") if self.param.HasField(field)]
        self.check(
            given in ([], [name], [f"{name}_h", f"{name}_w"]),
            f"has {' and '.join(given)}",
            f"give {name}, or {name}_h and {name}_w",
        )
        values = [getattr(self.param, field) for field in given] or [default]
        return values[0], values[-1]

    def geometry(self, shape: Shape) -> PoolingGeometry:
        """The windows for a bottom of ``shape``."""
        kernel = self.kernel if self.kernel is not None else (shape[2], shape[3])
        return PoolingGeometry(kernel, self.stride, self.pad, self.param.round_mode == PoolingParameter.CEIL)

    def windows(self, shape: Shape) -> PoolingGeometry:
        """The windows as engines take them, as many as there are outputs."""
        return self.geometry(shape).clipped((shape[2], shape[3]))

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = bottoms[0]
        self.check_shape(len(shape) == 4, f"input {shape} has {len(shape)} axes", "give num, channels, height, width")
        geometry = self.geometry(shape)
        out = geometry.output_size((shape[2], shape[3]))
        self.check_shape(
            min(*out, *geometry.kernel) > 0,
            f"kernel {geometry.kernel} does not fit input {shape[2:]} with pad {self.pad}",
            "use a smaller kernel, more pad or a larger input",
        )
        return [(*shape[:2], *out)] * max(1, len(self.config.top))

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.method == "MAX" or (self.method == "STOCHASTIC" and self.training):
            self.mask = fitted(self.mask, top[0], np.int32)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y, geometry = bottom[0].data_tensor, top[0].data_tensor, self.windows(bottom[0].shape)
        if self.method == "AVE":
            engine.average_pool(x, y, geometry)
        elif self.method == "STOCHASTIC":
            if self.mask is not None:
                engine.stochastic_pool(x, y, self.mask, geometry, self.rng)
            else:
                engine.expected_pool(x, y, geometry)
        else:
            engine.max_pool(x, y, self.mask if self.training or len(top) > 1 else None, geometry)
            if self.mask is not None and len(top) > 1:
                engine.copy(self.mask, top[1].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not needs[0]:
            return
        x, dy, dx = bottom[0].data_tensor, top[0].diff_tensor, bottom[0].diff_tensor
        geometry = self.windows(bottom[0].shape)
        if self.method == "AVE":
            engine.average_pool_grad(dy, dx, geometry)
        elif self.mask is None:
            engine.expected_pool_grad(x, dy, dx, geometry)
        else:
            if self.method == "MAX" and not self.training and len(top) < 2:  # forward did without the mask
                engine.max_pool(x, top[0].data_tensor, self.mask, geometry)
            engine.max_pool_grad(dy, self.mask, dx, geometry)


@layer("SPP")
class SPP(Layer):
    """Spatial pyramid pooling: level i pools the plane into 2^i by 2^i windows, whatever its size (He, 2014).

    (n, c, h, w) -> (n, c (1 + 4 + 16 + ...)), ``pyramid_height`` levels; a single level gives (n, c, 1, 1).
    """

    def setup(self, config: Any) -> None:
        param = config.spp_param
        self.levels: int = param.pyramid_height
        self.method: str = PoolingParameter.PoolMethod.Name(param.pool)
        self.check(self.levels > 0, "pyramid_height: 0", "give pyramid_height: 1 or more")

    def geometries(self, shape: Shape) -> list[PoolingGeometry]:
        """The windows of each level: as many along each axis as the level has, the last ones partly in the padding."""
        found = []
        for level in range(self.levels):
            kernel, pad = zip(*(_bins(size, 2**level) for size in shape[2:]), strict=True)
            geometry = PoolingGeometry((kernel[0], kernel[1]), (kernel[0], kernel[1]), (pad[0], pad[1]))
            self.check_shape(
                all(p < k for p, k in zip(pad, kernel, strict=True))
                and geometry.output_size((shape[2], shape[3])) == (2**level, 2**level),
                f"input {shape[2:]} does not divide into {2**level} by {2**level} windows",
                "use a smaller pyramid_height or a larger input",
            )
            found.append(geometry)
        return found

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = bottoms[0]
        self.check_shape(len(shape) == 4, f"input {shape} has {len(shape)} axes", "give num, channels, height, width")
        self.check_shape(min(shape[2:]) > 0, f"input {shape} has no places", "give height and width of 1 or more")
        self.geometries(shape)
        if self.levels == 1:
            return [(*shape[:2], 1, 1)]
        return [(shape[0], shape[1] * sum(4**level for level in range(self.levels)))]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        shape, dtype = bottom[0].shape, bottom[0].dtype
        if getattr(self, "_shape", None) == shape:
            return
        self._shape = shape
        planes = [(*shape[:2], 2**level, 2**level) for level in range(self.levels)]
        self.pooled = [new_tensor(plane, dtype) for plane in planes]
        self.masks = [new_tensor(plane, np.int32) for plane in planes]
        self.shares = [new_tensor(shape, dtype) for _ in planes]

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].data_tensor
        for y, mask, geometry in zip(self.pooled, self.masks, self.geometries(x.shape), strict=True):
            if self.method == "AVE":
                engine.average_pool(x, y, geometry)
            elif self.method == "MAX":
                engine.max_pool(x, y, mask, geometry)
            elif self.training:
                engine.stochastic_pool(x, y, mask, geometry, self.rng)
            else:
                engine.expected_pool(x, y, geometry)
        engine.concatenate([_flat(y) for y in self.pooled], _flat(top[0].data_tensor), 1)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not needs[0]:
            return
        start = 0
        for level, geometry in enumerate(self.geometries(bottom[0].shape)):
            dy, dx = self.pooled[level], self.shares[level]  # what was pooled is not needed any more
            engine.crop(_flat(top[0].diff_tensor), _flat(dy), (0, start))
            start += dy.shape[1] * dy.shape[2] * dy.shape[3]
            if self.method == "AVE":
                engine.average_pool_grad(dy, dx, geometry)
            elif self.method == "MAX" or self.training:
                engine.max_pool_grad(dy, self.masks[level], dx, geometry)
            else:
                engine.expected_pool_grad(bottom[0].data_tensor, dy, dx, geometry)
        engine.add_all(self.shares, bottom[0].diff_tensor)


def _bins(size: int, bins: int) -> tuple[int, int]:
    """Kernel and pad that divide ``size`` into ``bins`` windows."""
    kernel = -(-size // bins)
    return kernel, (kernel * bins - size + 1) // 2


def _flat(tensor: Tensor) -> Tensor:
    """A tensor as (n, values)."""
    return tensor.reshaped(tensor.shape[0], math.prod(tensor.shape[1:]))
