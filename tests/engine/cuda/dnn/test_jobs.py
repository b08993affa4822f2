"""Jobs are numbers: equal ones are one, and what cuDNN has for them ends with them."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest

from caffe_sdk.engine.cuda.dnn.descriptors import Activation
from caffe_sdk.engine.cuda.dnn.jobs import Job
from caffe_sdk.engine.cuda.dnn.library import Dnn
from caffe_sdk.engine.cuda.dnn.neuron import Activate, ActivateGrad
from caffe_sdk.engine.cuda.dnn.shapes import DataType
from caffe_sdk.engine.cuda.dnn.softmax import Softmax, SoftmaxGrad
from tests.engine.cuda.mocked import mock

SHAPE = (2, 3, 5, 1)
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
