"""Solvers on several GPUs: gradients and first weights go from GPU to GPU through NCCL, and never to the host.

What few bytes the solvers agree on besides (the loss, whether to stop) they exchange as the peers they are on the host.
Where NCCL is missing, gradients go that way too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from caffe_sdk import engine
from caffe_sdk.engine.cuda import nccl
from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.engine.cuda.nccl import Communicator
from caffe_sdk.errors import DeviceError
from caffe_sdk.memory import HOST, SyncedMemory
from caffe_sdk.solver.peers import Alone

log = logging.getLogger(__name__)


class Exchange:
    """One solver's end of the exchange between ``size`` GPUs; made when all have come."""

    def __init__(self, computing: CudaBase, uid: bytes, rank: int, size: int) -> None:
        self._engine = computing
        self._communicator = Communicator(nccl.wanted(), computing.device.lane(), uid, rank, size)
        self._begun: dict[SyncedMemory, None] = {}

    def begin(self, gradients: Sequence[SyncedMemory]) -> None:
        """Begin to put the mean over the solvers in each memory's place, beside what is computed; not twice."""
        new = [memory for memory in gradients if memory not in self._begun]
        if new:
            self._communicator.average(self._pieces(new))
            self._begun.update(dict.fromkeys(new))

    def end(self) -> None:
        """All that was begun is there for whatever is computed next, and for who holds views."""
        begun, self._begun = self._begun, {}
        self._communicator.join()
        for memory in begun:
            memory.settle()

    def copy_first(self, parameters: Sequence[SyncedMemory]) -> None:
        """Give all the numbers of the first solver."""
        self._communicator.copy_first(self._pieces(parameters))
        self._communicator.join()
        for memory in parameters:
            memory.settle()

    def close(self) -> None:
        """The last call of all solvers."""
        self._communicator.close()

    def _pieces(self, memories: Sequence[SyncedMemory]) -> list[nccl.Piece]:
        with self._engine.lock:
            for memory in memories:
                memory.claim()
            return [(m.update(self._engine.place).pointer, m.count) for m in memories if m.count]


class Gpus(Alone):
    """Peers on the host, each with a GPU of its own."""

    overlaps = True

    def __init__(self, host: Alone, computing: CudaBase) -> None:
        self.rank, self.size, self._host = host.rank, host.size, host
        uid = SyncedMemory(nccl.UID_BYTES, np.uint8)
        if self.rank == 0:
            uid.write(HOST)[...] = np.frombuffer(nccl.wanted().new_uid(), np.uint8)
        host.copy_first([uid])
        self._exchange = Exchange(computing, uid.read(HOST).tobytes(), self.rank, self.size)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        return self._host.any(*flags)

    def mean(self, value: float) -> float:
        return self._host.mean(value)

    def begin_average(self, gradients: Sequence[SyncedMemory]) -> None:
        self._exchange.begin(gradients)

    def average(self, gradients: Sequence[SyncedMemory]) -> None:
        self._exchange.begin(gradients)
        self._exchange.end()

    def copy_first(self, parameters: Sequence[SyncedMemory]) -> None:
        self._exchange.copy_first(parameters)

    def gather(self, state: Any) -> list[Any]:
        return self._host.gather(state)

    def close(self) -> None:
        self._exchange.close()


def on_gpus(host: Alone) -> Alone:
    """The same peers, who exchange gradients between GPUs if each computes on one and all have NCCL.

    Where some have not, the log says so, and all exchange through the host.
    """
    if host.size == 1:
        return host
    computing = engine.current() if engine.on_gpu() else None
    missing = ""
    try:
        nccl.wanted()
    except DeviceError as error:
        missing = str(error)
    on_cpu, without = host.any(computing is None, bool(missing))
    if on_cpu:
        return host
    if without:
        if missing:
            log.warning("Gradients go through the host, which is slow: %s", missing)
        return host
    assert isinstance(computing, CudaBase)
    return Gpus(host, computing)
