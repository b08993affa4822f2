"""The reference engine: every operation in NumPy, one file per family, written to be read.

It is the meaning of the operations, the oracle of the tests, and what other engines inherit for the operations they do
not do faster.
"""

from __future__ import annotations

from caffe_sdk.engine.reference.affine import Affine
from caffe_sdk.engine.reference.convolution import Convolution
from caffe_sdk.engine.reference.dense import Dense
from caffe_sdk.engine.reference.elementwise import Elementwise
from caffe_sdk.engine.reference.losses import Losses
from caffe_sdk.engine.reference.movement import Movement
from caffe_sdk.engine.reference.neuron import Neuron
from caffe_sdk.engine.reference.normalization import Normalization
from caffe_sdk.engine.reference.pooling import Pooling
from caffe_sdk.engine.reference.recurrent import Recurrent
from caffe_sdk.engine.reference.reduction import Reduction
from caffe_sdk.engine.reference.rows import Rows
from caffe_sdk.engine.reference.softmax import Softmax
from caffe_sdk.engine.reference.update import Update


class ReferenceEngine(
    Convolution,
    Dense,
    Pooling,
    Neuron,
    Normalization,
    Affine,
    Softmax,
    Losses,
    Elementwise,
    Movement,
    Reduction,
    Recurrent,
    Rows,
    Update,
):
    """All operations on plain arrays, in float32 or float64 as the tensors are."""

    name = "reference"
