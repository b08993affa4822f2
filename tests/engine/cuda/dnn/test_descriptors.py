"""cuDNN's objects end with ours, and count as we do."""

from __future__ import annotations

import gc

import pytest

from caffe_sdk.engine.cuda.dnn.descriptors import (
    Activation,
    ActivationDescriptor,
    ConvolutionDescriptor,
    FilterDescriptor,
    Math,
    TensorDescriptor,
)
from caffe_sdk.engine.cuda.dnn.library import Dnn, DnnError
from caffe_sdk.engine.cuda.dnn.shapes import Convolved, DataType, Layout
from tests.engine.cuda.mocked import fail, mock

SHAPE = Convolved((2, 4, 7, 6), (6, 2, 3, 2), (2, 6, 3, 6), (1, 1), (2, 1), (2, 2), 2)


def descriptors():
    gc.collect()
    return mock().mock_dnn_descriptors()


def test_they_are_given_back():
    before, dnn = descriptors(), Dnn(mock())
    made = [
        TensorDescriptor(dnn, SHAPE.x, DataType.HALF, Layout.NHWC),
        FilterDescriptor(dnn, SHAPE.w, DataType.BFLOAT16, Layout.NCHW),
        ConvolutionDescriptor(dnn, SHAPE),
        ActivationDescriptor(dnn, Activation.RELU),
    ]
    assert descriptors() == before + 4
    made.clear()
    assert descriptors() == before


def test_one_that_cannot_be_set_is_given_back():
    before, dnn = descriptors(), Dnn(mock())
    for name in ("cudnnSetTensorNdDescriptorEx", "cudnnCreateTensorDescriptor"):
        fail(name, 4000)
        with pytest.raises(DnnError, match=name):
            TensorDescriptor(dnn, SHAPE.x, DataType.FLOAT, Layout.NCHW)
    assert descriptors() == before


def test_the_result_is_counted_as_in_caffe():
    dnn = Dnn(mock())
    x = TensorDescriptor(dnn, SHAPE.x, DataType.FLOAT, Layout.NCHW)
    w = FilterDescriptor(dnn, SHAPE.w, DataType.FLOAT, Layout.NCHW)
    windows = ConvolutionDescriptor(dnn, SHAPE)
    windows.multiply_by(Math.FMA)
    assert windows.result(x, w, 4) == SHAPE.y
