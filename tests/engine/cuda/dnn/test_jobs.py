"""Jobs are numbers: equal ones are one, and what cuDNN has for them ends with them."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest

from caffe_sdk.engine.cuda.dnn.descriptors import Activation, Pooling
from caffe_sdk.engine.cuda.dnn.jobs import Job
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.neuron import Activate, ActivateGrad
from caffe_sdk.engine.cuda.dnn.normalization import Lrn, LrnGrad, Normalize
from caffe_sdk.engine.cuda.dnn.pooling import AveragePoolGrad, Pool
from caffe_sdk.engine.cuda.dnn.shapes import DataType
from caffe_sdk.engine.cuda.dnn.softmax import Softmax, SoftmaxGrad
from caffe_sdk.engine.geometry import PoolingGeometry
from tests.engine.cuda.mocked import mock

SHAPE = (2, 3, 5, 1)
POOL = Pool(Pooling.AVERAGE, (2, 3, 5, 4), (2, 3, 2, 2), PoolingGeometry((3, 2), (2, 2), (0, 0)), DataType.HALF)
LRN = Lrn(SHAPE, DataType.FLOAT, 3, 0.5, 0.75)
JOBS: dict[str, tuple[Any, Job, int, int]] = {
    "activate": (
        Activate(Activation.ELU, SHAPE, DataType.HALF, 0.5),
        Activate(Activation.ELU, SHAPE, DataType.HALF, 0.25),
        *(60, 2),
    ),
    "activate_grad": (
        ActivateGrad(Activation.TANH, SHAPE, DataType.FLOAT),
        ActivateGrad(Activation.TANH, SHAPE, DataType.BFLOAT16),
        *(120, 2),
    ),
    "softmax": (Softmax(SHAPE), Softmax((3, 2, 5, 1)), 120, 1),
    "softmax_grad": (SoftmaxGrad(SHAPE), SoftmaxGrad((1, 6, 5, 1)), 120, 1),
    "pool": (POOL, replace(POOL, kind=Pooling.MAX), 48, 3),
    "average_pool_grad": (AveragePoolGrad(POOL), AveragePoolGrad(replace(POOL, x=(2, 3, 6, 4))), 240, 3),
    "lrn": (LRN, replace(LRN, k=2.0), 120, 2),
    "lrn_grad": (LrnGrad(LRN), LrnGrad(replace(LRN, size=5)), 120, 2),
    "normalize": (Normalize(SHAPE, DataType.HALF, 1e-5), Normalize(SHAPE, DataType.HALF, 1e-3), 60, 2),
}
"""A job, another one, the bytes of what the first makes, and how many descriptors it has."""


@pytest.mark.parametrize("name", JOBS)
def test_a_job(name: str) -> None:
    job, other, nbytes, descriptors = JOBS[name]
    assert len({job, replace(job), other}) == 2
    assert job.made[0] == nbytes
    dnn = Dnn(mock())
    gc.collect()
    before = mock().mock_dnn_descriptors()
    run = job.planned(dnn, dnn.made("cudnnCreateTensorDescriptor"))  # whichever handle: nothing is computed
    assert run is not None
    assert mock().mock_dnn_descriptors() == before + 1 + descriptors
    del run
    gc.collect()
    assert mock().mock_dnn_descriptors() == before + 1


def test_windows_that_cudnn_counts_otherwise_are_not_its() -> None:
    """Caffe rounds their number up: a sixth row would be in half a window."""
    dnn, high = Dnn(mock()), replace(POOL, x=(2, 3, 6, 4), y=(2, 3, 3, 2))
    handle = dnn.made("cudnnCreateTensorDescriptor")
    for job in (high, AveragePoolGrad(high)):
        assert job.planned(dnn, handle) is None


@pytest.mark.parametrize(
    ("number", "taken"), [("size", 4), ("size", 17), ("k", 0.0), ("beta", 0.0), ("size", 15), ("alpha", 0.0)]
)
def test_numbers_of_neighbourhoods_that_cudnn_takes(number: str, taken: float) -> None:
    """An even neighbourhood lies otherwise; others are too large or too small for it."""
    assert replace(LRN, **{number: taken}).taken == (taken == 15 or number == "alpha")  # type: ignore[arg-type]
