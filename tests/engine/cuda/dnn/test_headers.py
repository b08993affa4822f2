"""Where NVIDIA's wheel is installed: prototypes and numbers against its headers, and what works without a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import math
import re
from ctypes import POINTER, c_char_p, c_double, c_int, c_size_t, c_uint, c_void_p
from pathlib import Path

import pytest

from caffe_sdk.engine.cuda.dnn import choices, convolution, descriptors, library, normalization, softmax
from caffe_sdk.engine.cuda.dnn.descriptors import (
    Activation,
    ActivationDescriptor,
    ConvolutionDescriptor,
    FilterDescriptor,
    Math,
    NeighboursDescriptor,
    Pooling,
    PoolingDescriptor,
    TensorDescriptor,
)
from caffe_sdk.engine.cuda.dnn.library import PROTOTYPES, RESULTS, Dnn
from caffe_sdk.engine.cuda.dnn.shapes import DataType, Layout, convolved
from caffe_sdk.engine.cuda.layout import lying
from caffe_sdk.engine.geometry import ConvolutionGeometry, PoolingGeometry
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.mocked import mock

HEADERS = ("cudnn_graph.h", "cudnn_ops.h", "cudnn_cnn.h")
POINTED = {"int": POINTER(c_int), "size_t": POINTER(c_size_t), "char": c_char_p, "void": c_void_p}
PLAIN = {"int": c_int, "size_t": c_size_t, "double": c_double, "unsigned": c_uint, "cudaStream_t": c_void_p}
NUMBERS = {
    "CUDNN_DATA_FLOAT": DataType.FLOAT,
    "CUDNN_DATA_HALF": DataType.HALF,
    "CUDNN_DATA_BFLOAT16": DataType.BFLOAT16,
    "CUDNN_TENSOR_NCHW": Layout.NCHW,
    "CUDNN_TENSOR_NHWC": Layout.NHWC,
    "CUDNN_DEFAULT_MATH": Math.DEFAULT,
    "CUDNN_TENSOR_OP_MATH": Math.TENSOR_OP,
    "CUDNN_FMA_MATH": Math.FMA,
    "CUDNN_ACTIVATION_SIGMOID": Activation.SIGMOID,
    "CUDNN_ACTIVATION_RELU": Activation.RELU,
    "CUDNN_ACTIVATION_TANH": Activation.TANH,
    "CUDNN_ACTIVATION_ELU": Activation.ELU,
    "CUDNN_ACTIVATION_IDENTITY": Activation.IDENTITY,
    "CUDNN_CROSS_CORRELATION": descriptors.CROSS_CORRELATION,
    "CUDNN_NOT_PROPAGATE_NAN": descriptors.NOT_PROPAGATE_NAN,
    "CUDNN_PROPAGATE_NAN": descriptors.PROPAGATE_NAN,
    "CUDNN_DETERMINISTIC": choices.DETERMINISTIC,
    "CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM": convolution.IMPLICIT_PRECOMP_GEMM,
    "CUDNN_SOFTMAX_ACCURATE": softmax.ACCURATE,
    "CUDNN_SOFTMAX_MODE_CHANNEL": softmax.CHANNEL,
    "CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING": Pooling.AVERAGE,
    "CUDNN_POOLING_MAX_DETERMINISTIC": Pooling.MAX,
    "CUDNN_LRN_CROSS_CHANNEL_DIM1": normalization.CROSS_CHANNEL,
    "CUDNN_BATCHNORM_SPATIAL": normalization.SPATIAL,
    "CUDNN_STATUS_BAD_PARAM": library.BAD_PARAM.start,
    "CUDNN_STATUS_NOT_SUPPORTED": library.NOT_SUPPORTED.start,
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED": library.ALLOCATION_FAILED[0],
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED": library.ALLOCATION_FAILED[1],
}
LINE = ConvolutionGeometry((3,), (2,), (1,), (1,))
PLANE = ConvolutionGeometry((3, 2), (2, 1), (1, 3), (2, 1), 2)
SPACE = ConvolutionGeometry((2, 3, 1), (1, 2, 3), (0, 1, 0), (1, 2, 1))


@pytest.fixture(scope="module")
def text() -> str:
    """The headers, without comments."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(place) / "cudnn" / "include" for place in (spec and spec.submodule_search_locations) or ()]
    found = [folder for folder in folders if (folder / HEADERS[0]).exists()]
    if not found:
        pytest.skip("cuDNN's headers are not installed")
    whole = "".join((found[0] / name).read_text(encoding="utf-8") for name in HEADERS)
    return re.sub(r"/\*.*?\*/", "", whole, flags=re.DOTALL)


@pytest.fixture(scope="module")
def dnn() -> Dnn:
    try:
        return Dnn(library.library())
    except DeviceError as error:
        pytest.skip(str(error))


def ctype(parameter: str) -> object:
    """The type of a parameter such as 'const int padA[]'."""
    words = re.sub(r"\bconst\b", "", parameter).replace("*", " * ").split()
    kind = words[0]
    if "*" in words or words[-1].endswith("[]"):
        made = kind.endswith("Descriptor_t") or kind == "cudnnHandle_t"
        return POINTER(c_void_p) if made else POINTED.get(kind, c_void_p)
    if kind in PLAIN:
        return PLAIN[kind]
    return c_void_p if kind.endswith("Descriptor_t") or kind == "cudnnHandle_t" else c_int


def test_prototypes_are_those_of_the_headers(text):
    results = {"size_t": c_size_t, "char": c_char_p, "void": None, "cudnnStatus_t": c_int}
    theirs = {}
    for name in PROTOTYPES:
        head = re.search(rf"(\w+)\s*\*?\s*CUDNNWINAPI\s+{name}\(([^)]*)\)", text)
        parameters = [part.strip() for part in head[2].split(",")] if head else []
        theirs[name] = tuple(ctype(part) for part in parameters if part not in ("", "void"))
        assert head
        assert RESULTS.get(name, c_int) is results[head[1]]
    assert theirs == PROTOTYPES


def test_numbers_are_those_of_the_headers(text):
    said = {name: re.search(rf"\b{name}(?:\s+CUDNN_DEPRECATED_ENUM)?\s*=\s*(\d+)", text) for name in NUMBERS}
    assert {name: found and int(found[1]) for name, found in said.items()} == NUMBERS


def test_results_of_searches_are_those_of_the_headers(text):
    ours = [(name, ctypes.sizeof(kind)) for name, kind in choices.Performance._fields_]
    sizes, names = {"float": 4, "size_t": 8}, {"algo": "algorithm", "mathType": "math", "reserved[3]": "reserved"}
    for way in ("Fwd", "BwdData", "BwdFilter"):
        body = re.search(rf"struct cudnnConvolution{way}AlgoPerfStruct \{{(.*?)\}}", text, re.DOTALL)
        assert body
        fields = [line.split() for line in body[1].split(";") if line.strip()]
        counted = [(names.get(name, name), 12 if "[3]" in name else sizes.get(kind, 4)) for kind, name in fields]
        assert counted == ours


def count(dnn: Dnn) -> None:
    """Make every descriptor, and have results counted."""
    assert all(ActivationDescriptor(dnn, end).handle for end in Activation)
    for x, geometry in (((2, 4, 9), LINE), ((2, 4, 9, 8), PLANE), ((3, 2, 5, 6, 7), SPACE)):
        shape = convolved(x, 6, geometry).in_a_plane()
        windows = ConvolutionDescriptor(dnn, shape)
        for products in Math:
            windows.multiply_by(products)
        for kind, layout in itertools.product(DataType, Layout):
            sides = TensorDescriptor(dnn, shape.x, kind, layout), FilterDescriptor(dnn, shape.w, kind, layout)
            assert windows.result(*sides, len(shape.y)) == shape.y
    assert NeighboursDescriptor(dnn, 5, 1e-4, 0.75, 1.0).handle
    for kernel, stride, pad in ((3, 2, 0), (3, 1, 1), (2, 3, 1), (5, 2, 2)):
        geometry = PoolingGeometry((kernel, 2), (stride, 1), (pad, 0), ceil=False)
        x = TensorDescriptor(dnn, (2, 4, 9, 8), DataType.FLOAT, Layout.NCHW)
        for kind in Pooling:
            result = PoolingDescriptor(dnn, kind, geometry).result(x, 4)
            assert result == (2, 4, (9 + 2 * pad - kernel) // stride + 1, 7)


def test_the_mock_counts_as_caffe_does():
    count(Dnn(mock()))


def test_the_real_one_counts_as_caffe_does_and_says_what_is_wrong(dnn):
    count(dnn)
    handle = dnn.made("cudnnCreateTensorDescriptor")
    with pytest.raises(DeviceError, match="cudnnSetTensorNdDescriptorEx: CUDNN_STATUS_BAD_PARAM"):
        dnn.call("cudnnSetTensorNdDescriptorEx", handle, 0, 0, 4, (c_int * 4)(1, -1, 1, 1))
    dnn.destroy("cudnnDestroyTensorDescriptor", handle)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (2, 3, 4, 5, 7)])
def test_the_real_one_steps_through_what_lies_channels_last_as_we_do(dnn, shape):
    values = TensorDescriptor(dnn, shape, DataType.HALF, Layout.NHWC)
    kind, axes, sizes, steps = c_int(), c_int(), (c_int * 8)(), (c_int * 8)()
    told = ctypes.byref(kind), ctypes.byref(axes), sizes, steps
    assert dnn._library.cudnnGetTensorNdDescriptor(values.handle, 8, *told) == 0
    order = lying(tuple(range(len(shape))), True)
    wanted = [math.prod(lying(shape, True)[order.index(axis) + 1 :]) for axis in range(len(shape))]
    assert (kind.value, tuple(sizes[: axes.value])) == (DataType.HALF, shape)
    assert steps[: axes.value] == wanted
