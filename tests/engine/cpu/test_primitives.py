"""Primitives, their operands and scratch memory, and what happens when oneDNN cannot."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_sdk.engine.cpu.descriptors import any_layout, plain
from caffe_sdk.engine.cpu.library import Unsupported, axes
from caffe_sdk.engine.cpu.primitives import (
    DST,
    FORWARD_INFERENCE,
    RELU,
    SRC,
    WORKSPACE,
    Execution,
    Images,
    Operand,
    Primitive,
    PrimitiveDescriptor,
    check,
)
from caffe_sdk.errors import DeviceError, InternalError


def rectifier(dims=(3, 4)):
    layout = plain(dims)
    return PrimitiveDescriptor("eltwise_forward", FORWARD_INFERENCE, RELU, layout, layout, 0.0, 0.0)


def test_execution():
    x, y = np.float32([-1, 2, -3, 4]), np.zeros(4, np.float32)
    operands = {SRC: Operand(plain((4,)), x), DST: Operand(plain((4,)), y)}
    execution = Execution(Primitive(rectifier((4,))), operands)
    execution.run()
    np.testing.assert_array_equal(y, [0, 2, 0, 4])
    assert repr(execution).startswith("eltwise_forward ")


def test_one_image_after_the_other():
    x, y = np.float32([[-1, 2], [3, -4], [5, 6]]), np.zeros((3, 3), np.float32)
    execution = Execution(Primitive(rectifier((2,))), {each: Operand(plain((2,))) for each in (SRC, DST)})
    images = Images(SRC, Operand(plain((6,))), 3, 8), Images(DST, Operand(plain((9,))), 3, 12)
    compute = execution.at({each.argument: each.addresses(a) for each, a in zip(images, (x, y), strict=True)})
    assert compute() == 0
    np.testing.assert_array_equal(y, [[0, 2, 0], [3, 0, 0], [5, 6, 0]])


def test_an_array_too_small_for_its_layout():
    with pytest.raises(InternalError, match="12 bytes"):
        Operand(plain((4,)), np.zeros(3, np.float32))


def test_what_onednn_cannot_do():
    x, y = any_layout((1, 3, 5, 5)), any_layout((1, 3, 9, 9))
    with pytest.raises(Unsupported, match=r"convolution_forward.*invalid_arguments"):
        PrimitiveDescriptor("convolution_forward", FORWARD_INFERENCE, 1, x, y, None, y, *[axes((1, 1))] * 4)


def test_an_argument_a_primitive_does_not_have():
    assert rectifier().wants(WORKSPACE) is None
    with pytest.raises(DeviceError, match="no argument"):
        rectifier().layout(WORKSPACE)


def test_a_status_that_is_no_success():
    check(0)
    with pytest.raises(InternalError, match="status 5"):
        check(5)
