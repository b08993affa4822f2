"""The engine itself."""

from __future__ import annotations

from collections.abc import Sequence, Set

from caffe_sdk.engine.cuda.affine import CudaAffine
from caffe_sdk.engine.cuda.carrier import CudaCarrier
from caffe_sdk.engine.cuda.checks import Checks
from caffe_sdk.engine.cuda.convolution import CudaConvolution
from caffe_sdk.engine.cuda.dense import CudaDense
from caffe_sdk.engine.cuda.device import Device
from caffe_sdk.engine.cuda.elementwise import CudaElementwise
from caffe_sdk.engine.cuda.losses import CudaLosses
from caffe_sdk.engine.cuda.movement import CudaMovement
from caffe_sdk.engine.cuda.neuron import CudaNeuron
from caffe_sdk.engine.cuda.normalization import CudaNormalization
from caffe_sdk.engine.cuda.options import Options
from caffe_sdk.engine.cuda.pooling import CudaPooling
from caffe_sdk.engine.cuda.program import CudaProgram
from caffe_sdk.engine.cuda.recurrent import CudaRecurrent
from caffe_sdk.engine.cuda.reduction import CudaReduction
from caffe_sdk.engine.cuda.rows import CudaRows
from caffe_sdk.engine.cuda.scaling import DynamicScale, FixedScale
from caffe_sdk.engine.cuda.softmax import CudaSoftmax
from caffe_sdk.engine.cuda.update import CudaUpdate
from caffe_sdk.engine.flow import Flow
from caffe_sdk.engine.operation import Call, Program
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.engine.scaling import LossScale
from caffe_sdk.memory import SyncedMemory


class CudaEngine(
    CudaConvolution,
    CudaDense,
    CudaPooling,
    CudaNeuron,
    CudaNormalization,
    CudaAffine,
    CudaSoftmax,
    CudaLosses,
    CudaElementwise,
    CudaMovement,
    CudaReduction,
    CudaRecurrent,
    CudaRows,
    CudaUpdate,
    ReferenceEngine,
):
    """All operations by kernels of our own and matrix products of the device's; none on the host."""

    def __init__(
        self, device: Device, name: str = "cuda", options: Options | None = None, checks: Checks | None = None
    ) -> None:
        super().__init__(device, name, options, checks)
        self.carrier = CudaCarrier(self)

    def loss_scale(self) -> LossScale | None:
        """Of float16: the one that was asked for, or one that finds out."""
        if not self.precision.scales:
            return None
        asked = self.options.loss_scale
        return FixedScale(self, asked) if asked else DynamicScale(self)

    def compile(
        self, calls: Sequence[Call], keep: Set[SyncedMemory] | None = None, after: Sequence[Program] = ()
    ) -> Program:
        """A program that is captured at its second run and replayed from then on."""
        before = [program.plan for program in after if isinstance(program, CudaProgram)]
        return CudaProgram(self, calls, before, frozenset() if keep is None else Flow(calls).lost(keep))
