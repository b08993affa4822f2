"""What the engine asks of a library of convolutions, and what stands for one that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from caffe_sdk.engine.cuda.dnn.shapes import Convolved

Room = Callable[[str, int], int]
"""From a use and a number of bytes to the address of room for them."""


class Convolver(Protocol):
    """Every call says whether it was computed; what was not is for the engine's own path."""

    version: str
    """Of the library, or why there is none."""
    there: bool
    """Whether it computes anything."""

    def forward(self, shape: Convolved, x: int, w: int, y: int, room: Room) -> bool:
        """y = x convolved with w."""

    def biased(
        self, shape: Convolved, x: int, w: int, added: tuple[int, int], y: int, rectified: bool, room: Room
    ) -> bool:
        """y = x convolved with w + a bias and if it is there something else, and through a ReLU if ``rectified``."""

    def grad_data(self, shape: Convolved, w: int, dy: int, dx: int, room: Room) -> bool:
        """dx = the transpose of the convolution applied to dy."""

    def grad_weight(self, shape: Convolved, x: int, dy: int, dw: int, room: Room) -> bool:
        """dw += the gradient of the weights."""


class NoConvolver:
    """Computes nothing."""

    there = False

    def __init__(self, why: str) -> None:
        self.version = f"none: {why}"

    def forward(self, shape: Convolved, x: int, w: int, y: int, room: Room) -> bool:
        """No."""
        return False

    def biased(
        self, shape: Convolved, x: int, w: int, added: tuple[int, int], y: int, rectified: bool, room: Room
    ) -> bool:
        """No."""
        return False

    def grad_data(self, shape: Convolved, w: int, dy: int, dx: int, room: Room) -> bool:
        """No."""
        return False

    def grad_weight(self, shape: Convolved, x: int, dy: int, dw: int, room: Room) -> bool:
        """No."""
        return False
