"""What every engine has: a place, access to tensors there, and programs."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import AbstractContextManager, nullcontext

from caffe_sdk.cargo import Carrier
from caffe_sdk.engine.operation import Call, EagerProgram, Program
from caffe_sdk.engine.scaling import LossScale
from caffe_sdk.memory import HOST, Array, Place, SyncedMemory, Tensor


class EngineBase:
    """Operations reach their tensors through `read`, `write` and `update`, which keep the two rules of memory."""

    name = "base"
    place: Place = HOST
    """Where the operations' arrays are."""
    carrier: Carrier | None = None
    """What takes batches there ahead of time; None where there is nothing to be gained."""

    def read(self, tensor: Tensor) -> Array:
        """The tensor's numbers in its shape, not to be changed."""
        return self._shaped(tensor.memory.read(self.place), tensor)

    def write(self, tensor: Tensor) -> Array:
        """The tensor's array in its shape, to be overwritten whole."""
        return self._shaped(tensor.memory.write(self.place), tensor)

    def update(self, tensor: Tensor) -> Array:
        """The tensor's numbers in its shape, to be changed."""
        return self._shaped(tensor.memory.update(self.place), tensor)

    def compile(
        self, calls: Sequence[Call], keep: Set[SyncedMemory] | None = None, after: Sequence[Program] = ()
    ) -> Program:
        """A program that computes the calls. Engines that plan ahead override this; the base computes one by one.

        ``keep`` are the memories whose numbers are wanted afterwards; a program need not keep others. None means all.
        ``after`` are programs that will run before for the first time, so that it is known where they leave numbers.
        """
        return EagerProgram(self, calls)

    def loss_scale(self) -> LossScale | None:
        """A new training's scale of gradients, where the engine stores them in few bits; None where it does not."""
        return None

    def together(self, unless: Tensor | None = None) -> AbstractContextManager[None]:
        """Updates of parameters asked for inside a with block may be computed together when it ends.

        None of them is made where ``unless``, one number, which an engine with a `loss_scale` gives, is not 0.
        """
        return nullcontext()

    def wait(self) -> None:
        """Until all that was asked for is done. Engines of the host have done it when a call returns."""

    @staticmethod
    def _shaped(buffer: Array, tensor: Tensor) -> Array:
        return buffer[: tensor.count].reshape(tensor.shape)
