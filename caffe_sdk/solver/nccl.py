"""pycaffe's NCCL: a solver that takes part in a training by several processes, each of which a script has started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffe_sdk import engine, ranks
from caffe_sdk.engine.cuda import nccl
from caffe_sdk.engine.cuda.base import CudaBase
from caffe_sdk.errors import ArgumentError, DeviceError
from caffe_sdk.memory import SyncedMemory
from caffe_sdk.solver import overlap
from caffe_sdk.solver.gpus import Exchange

if TYPE_CHECKING:
    from caffe_sdk.solver.solver import Solver


def has_nccl() -> bool:
    """Whether gradients can be exchanged between GPUs: whether NCCL is found, and NVIDIA's driver.

    Caffe says whether it was built with NCCL, which it was only where there are GPUs: scripts choose one if this is
    true.
    """
    try:
        nccl.wanted()
    except DeviceError:
        return False
    return engine.has_driver()


class NCCL:
    """Exchanges parameters and gradients between the solvers of several processes, each on a GPU of its own.

    ``uid`` is what one of them, or who started them, got from `new_uid`. Each is the solver of its `solver_rank` among
    `solver_count`. Given to ``solver.add_callback`` it averages gradients before each update; given to
    ``solver.net.after_backward`` too it begins with a layer's while the layers before it are still computed.

    Waits until all have come. DeviceError where the solver's net is not on a GPU, or NCCL is not installed.
    """

    def __init__(self, solver: Solver, uid: bytes | str) -> None:
        computing = solver.net.engine
        if not isinstance(computing, CudaBase):
            raise DeviceError("NCCL", f"the {computing.name} engine computes on no GPU", "call set_mode_gpu() first")
        data = uid.encode("latin-1") if isinstance(uid, str) else bytes(uid)
        if len(data) != nccl.UID_BYTES:
            raise ArgumentError("NCCL", f"an identifier of {len(data)} bytes", "give what NCCL.new_uid() returned")
        self._solver = solver
        self._whole: dict[int, list[SyncedMemory]] | None = None
        """In this iteration, the gradients that are whole when a layer has run."""
        self._exchange = Exchange(computing, data, ranks.solver_rank(), ranks.solver_count())

    def bcast(self) -> None:
        """Give all solvers the parameters of the first."""
        self._exchange.copy_first([p.blob.data_memory for p in self._solver.net.learnable])

    @staticmethod
    def new_uid() -> bytes:
        """An identifier by which solvers find each other, 128 bytes. DeviceError where NCCL is not installed."""
        return nccl.wanted().new_uid()

    def __call__(self, layer: int) -> None:
        """Begin to average the gradients of a layer that ran backward, if no other layer still adds to them."""
        if self._solver.param.iter_size > 1:
            return
        if self._whole is None:
            self._whole = overlap.whole_at(self._solver.net, self._solver.gradients())
        self._exchange.begin(self._whole.get(layer, []))

    def on_start(self) -> None:
        """Nothing is to be done before an iteration."""

    def on_gradients_ready(self) -> None:
        """Average all gradients that are not yet under way, and let the update wait for all."""
        self._exchange.begin(self._solver.gradients())
        self._exchange.end()
        self._whole = None
