"""Batches on their way from a source of data to an engine that computes elsewhere than at the host.

Sources make batches ahead of the net, by threads of their own. Where the net's engine has a `Carrier`, such a thread
also sends them off as soon as they are made, while the net computes the batches before. Images go as they are, a
byte for a value, and become floats where they arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from caffe_sdk.memory import Array, Shape, SyncedMemory

TOP, LEFT, MIRRORED, TOGETHER = range(4)
"""The columns of `Images.places`."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images of 8 bits, and the pass over them that is still to be made, to numbers of ``shape`` (n, c, h, w)::

        y[n, c, i, j] = (x[n, c, top + i, left + j] - m) * scale        in float32, mirrored: left + w - 1 - j for j

    where m is ``mean[c]``, or for a mean (c, height, width) the one at the place of x.
    """

    pixels: Sequence[Array]
    """uint8, n of one size: (c, height, width), or (height, width, c) where an image's channels are together."""
    places: npt.NDArray[np.int32]
    """(n, 4): where the part begins that is cut out, whether it is mirrored, whether channels are together."""
    mean: npt.NDArray[np.float32]
    scale: np.float32
    shape: Shape

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        shape = self.pixels[0].shape
        height, width = shape[:2] if self.places[0, TOGETHER] else shape[1:]
        return height, width


Goods = npt.NDArray[Any] | Images
"""The numbers of one top of a batch: an array of float32, or images that become numbers."""


class Cargo(Protocol):
    """Room on the way for one top of a batch, used again and again. One thread at a time has it."""

    def load(self, goods: Goods) -> None:
        """Send numbers off; what they are in may be changed when this returns. DeviceError where there is no room."""

    def unload(self, memory: SyncedMemory) -> None:
        """Make a memory's numbers those that were sent last, as many as it has. Nobody waits for them here."""


class Carrier(Protocol):
    """Takes batches to where an engine computes."""

    def cargo(self) -> Cargo:
        """Room for one top."""
