"""Layers that keep one number of every window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.engine.geometry import PoolingGeometry
from caffe_sdk.layers.base import Arity, Layer, fitted, layer
from caffe_sdk.memory import Shape, Tensor
from caffe_sdk.schema.messages import PoolingParameter


@layer("Pooling")
class Pooling(Layer):
    """y = the maximum (MAX) or average (AVE) of each window.  (n, c, h, w) -> (n, c, h', w')

    MAX may have a second top: where in the h * w plane each maximum was. ``global_pooling`` takes the whole plane.
    """

    tops = Arity(1, 2)

    def setup(self, config: Any) -> None:
        self.param = config.pooling_param
        self.maximum = self.param.pool == PoolingParameter.MAX
        self.mask: Tensor | None = None
        self.check(
            self.param.pool != PoolingParameter.STOCHASTIC, "pool: STOCHASTIC is not implemented", "use MAX or AVE"
        )
        self.check(self.maximum or len(config.top) < 2, "pool: AVE has no mask for a second top", "remove the top")
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
        if self.maximum:
            self.mask = fitted(self.mask, top[0], np.int32)

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, y, geometry = bottom[0].data_tensor, top[0].data_tensor, self.geometry(bottom[0].shape)
        if self.mask is None:
            engine.average_pool(x, y, geometry)
        elif self.training or len(top) > 1:
            engine.max_pool(x, y, self.mask, geometry)
        else:
            engine.max_pool(x, y, None, geometry)
        if self.mask is not None and len(top) > 1:
            engine.copy(self.mask, top[1].data_tensor)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not needs[0]:
            return
        dy, dx, geometry = top[0].diff_tensor, bottom[0].diff_tensor, self.geometry(bottom[0].shape)
        if self.mask is None:
            engine.average_pool_grad(dy, dx, geometry)
            return
        if not self.training and len(top) < 2:  # forward did without the mask
            engine.max_pool(bottom[0].data_tensor, top[0].data_tensor, self.mask, geometry)
        engine.max_pool_grad(dy, self.mask, dx, geometry)
