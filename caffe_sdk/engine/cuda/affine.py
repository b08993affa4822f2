"""Coefficients that repeat, and sums over what shares one."""

from __future__ import annotations

from dataclasses import dataclass

from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.layout import WARP
from caffe_sdk.engine.reference.affine import Affine
from caffe_sdk.memory import Tensor

SHARES = 64
"""Into at most so many parts a sum over a channel is shared out."""
LEAST = 1024
"""Values in a part at least."""
LEAST_ROWS = 64
"""The same where channels are neighbours."""
BLOCKS = 1024
"""That share out the sums of all channels then, at most."""


@dataclass(frozen=True)
class Shares:
    """How sums over the channels of (outer, channels, inner) are shared out."""

    channels: int
    outer: int
    inner: int

    @property
    def each(self) -> int:
        """Parts of a channel's sum."""
        if self.inner == 1:
            return min(-(-self.outer // LEAST_ROWS), max(1, BLOCKS // max(1, self.tiles)))
        return min(SHARES, -(-self.outer * self.inner // LEAST))

    @property
    def tiles(self) -> int:
        """How often as many channels as a warp has threads."""
        return -(-self.channels // WARP)

    @property
    def parts(self) -> int:
        """Of all sums."""
        return self.channels * self.each

    @property
    def blocks(self) -> int:
        """That make the parts, as `walk` in common.cuh counts."""
        return (self.tiles if self.inner == 1 else self.channels) * self.each

    @property
    def cut(self) -> tuple[int, int, int, int]:
        """What kernels take."""
        return self.channels, self.outer, self.inner, self.each


class CudaSums(CudaBase):
    """Sums over channels, in two steps: of parts, and of these. In this order always, so they are the same always."""

    def add_channel_sums(self, a: int, b: int, total: Tensor, outer: int, inner: int) -> None:
        """total[c] += the sum of a b over (outer, channels, inner), or of a where b is 0: a gradient's true sum."""
        shares = Shares(total.count, outer, inner)
        self.add_parts("channel_parts", (a, b), total, shares)

    def add_parts(self, kernel: str, sources: tuple[int, ...], total: Tensor, shares: Shares) -> None:
        """Add to each channel's total the sum of its parts, which a kernel makes: a gradient's true sum."""
        parts = self.scratch("parts", shares.parts)
        if shares.parts:
            self.launch_rows(kernel, shares.blocks, *sources, parts, *shares.cut)
        self.total_parts(parts, total, shares)

    def total_parts(self, parts: int, total: Tensor, shares: Shares) -> None:
        """The same, of parts that are there."""
        result = self.both(total)
        if shares.parts:
            self.launch_rows("add_parts", shares.tiles, parts, result, shares.channels, shares.each, self.true)


class CudaAffine(CudaSums, Affine):
    """Scale and shift."""

    def affine(self, x: Tensor, scale: Tensor | None, shift: Tensor | None, y: Tensor, axis: int) -> None:
        """y = scale x + shift. y may be x."""
        some = scale if scale is not None else shift
        _, channels, inner = self.around(x.shape, axis, 0 if some is None else len(some.shape))
        self.launch("affine", y.count, *map(self.source, (x, scale, shift)), self.target(y), channels, inner)

    def affine_grad_data(self, dy: Tensor, scale: Tensor, dx: Tensor, axis: int) -> None:
        """dx = scale dy. dx may be dy."""
        self.affine(dy, scale, None, dx, axis)

    def affine_grad_scale(self, x: Tensor, dy: Tensor, dscale: Tensor, axis: int) -> None:
        """dscale += sum of x dy over the other axes."""
        outer, _, inner = self.around(x.shape, axis, len(dscale.shape))
        self.add_channel_sums(self.source(x), self.source(dy), dscale, outer, inner)

    def affine_grad_shift(self, dy: Tensor, dshift: Tensor, axis: int) -> None:
        """dshift += sum of dy over the other axes."""
        outer, _, inner = self.around(dy.shape, axis, len(dshift.shape))
        self.add_channel_sums(self.source(dy), 0, dshift, outer, inner)
