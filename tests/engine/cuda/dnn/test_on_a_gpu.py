"""The real cuDNN on a real GPU, where there are both: the reference's numbers, and the same bits every time."""

from __future__ import annotations

import math

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.engine import selection, use, user_cache
from caffe_sdk.engine.cuda import CudaEngine, devices
from caffe_sdk.engine.cuda.devices import BFLOAT16_SINCE
from caffe_sdk.engine.cuda.dnn.convolution import DnnConvolution
from caffe_sdk.engine.cuda.dnn.pooling import Pool
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16
from caffe_sdk.engine.cuda.gpu import GpuDevice
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.memory import HOST
from tests.engine.cuda.twins import agree, get, put, tensors

if not devices.count():
    pytest.skip("there is no GPU", allow_module_level=True)

CONVOLUTIONS = {
    "AlexNet 1": ((2, 3, 227, 227), 96, ConvolutionGeometry((11, 11), (4, 4), (0, 0), (1, 1))),
    "AlexNet 2": ((2, 96, 27, 27), 256, ConvolutionGeometry((5, 5), (1, 1), (2, 2), (1, 1), 2)),
    "VGG": ((2, 64, 28, 28), 64, ConvolutionGeometry((3, 3), (1, 1), (1, 1), (1, 1))),
    "ResNet 1x1": ((2, 64, 28, 28), 32, ConvolutionGeometry((1, 1), (2, 2), (0, 0), (1, 1))),
    "depthwise": ((2, 32, 28, 28), 32, ConvolutionGeometry((3, 3), (2, 2), (1, 1), (1, 1), 32)),
    "dilated": ((1, 16, 33, 35), 24, ConvolutionGeometry((3, 3), (1, 1), (4, 4), (4, 4))),
    "odd": ((3, 5, 13, 7), 7, ConvolutionGeometry((4, 2), (3, 1), (5, 1), (1, 2))),
    "1-D": ((2, 6, 50), 8, ConvolutionGeometry((5,), (2,), (2,), (1,))),
    "3-D": ((1, 4, 8, 9, 10), 6, ConvolutionGeometry((3, 3, 2), (1, 2, 1), (1, 1, 0), (1, 1, 1))),
}
each = pytest.mark.parametrize("name", CONVOLUTIONS)
NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 3 dim: 8 dim: 13 dim: 13 } } }
layer { name: "lrn" type: "LRN" bottom: "data" top: "lrn" lrn_param { alpha: 0.5 } }
layer { name: "norm" type: "BatchNorm" bottom: "lrn" top: "norm" }
layer { name: "tanh" type: "TanH" bottom: "norm" top: "tanh" }
layer { name: "max" type: "Pooling" bottom: "tanh" top: "max" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "mean" type: "Pooling" bottom: "max" top: "mean" pooling_param { pool: AVE kernel_size: 3 pad: 1 } }
layer { name: "elu" type: "ELU" bottom: "mean" top: "elu" }
layer { name: "relu" type: "ReLU" bottom: "elu" top: "relu" }
layer { name: "sigmoid" type: "Sigmoid" bottom: "relu" top: "sigmoid" }
layer { name: "prob" type: "Softmax" bottom: "sigmoid" top: "prob" }
"""


@pytest.fixture(autouse=True)
def _kept_elsewhere(monkeypatch, tmp_path):
    folder = user_cache.folder
    monkeypatch.setattr(user_cache, "folder", lambda name: tmp_path / name if name == "cudnn" else folder(name))


def engine(**options):
    return CudaEngine(GpuDevice(0, devices.driver(), options=Options(**{"cudnn": Cudnn.CONVOLVES, **options})))


def shapes(name):
    x, outputs, g = CONVOLUTIONS[name]
    y = (x[0], outputs, *g.output_size(x[2:]))
    w = (outputs, x[1] // g.group, *g.kernel)
    return {"x": x, "w": w, "b": (outputs,), "y": y, "z": y, "sum": y, "dx": x, "dw": w, "db": (outputs,)}


def finished(computing, t, g):
    """sum = a convolution with a bias + y, and through a ReLU."""
    if isinstance(computing, CudaEngine):
        computing.finished_convolution(t["x"], t["w"], t["b"], t["sum"], g, 0.0, residual=t["y"])
    else:
        computing.convolution(t["x"], t["w"], t["b"], t["sum"], g)
        computing.add_all([t["sum"], t["y"]], t["sum"])
        computing.relu(t["sum"], t["sum"], 0.0)


def calls(name):
    g = CONVOLUTIONS[name][2]

    def made(computing, t):
        computing.convolution(t["x"], t["w"], t["b"], t["y"], g)
        computing.convolution(t["x"], t["w"], None, t["z"], g)
        computing.relu(t["z"], t["z"], 0.0)
        finished(computing, t, g)
        computing.convolution_grad_data(t["y"], t["w"], t["dx"], g)
        computing.convolution_grad_weight(t["x"], t["y"], t["dw"], t["db"], g)

    return made


@each
@pytest.mark.parametrize("seconds", [0, 60])
def test_numbers_are_the_references(name, seconds):
    computing = engine(cudnn_search=seconds)
    assert isinstance(computing.device.dnn, DnnConvolution)
    agree(shapes(name), calls(name), tolerance=5e-5, engine=computing)


@each
def test_without_workspace_and_in_any_order(name):
    agree(shapes(name), calls(name), tolerance=5e-5, engine=engine(workspace=0, deterministic=False))


@each
def test_tf32_rounds_factors_to_10_bits(name):
    agree(shapes(name), calls(name), tolerance=5e-3, engine=engine(tf32=True))


@each
def test_nan_stays_nan_behind_a_relu(name):
    """And nothing becomes NaN that is far from one, whatever y was before."""
    t, computing = tensors(shapes(name)), engine()
    for _ in range(2):
        values = get(t["x"]).copy()
        values.reshape(-1)[0] = np.nan
        put(t["x"], values)
        put(t["y"], np.full(t["y"].count, np.nan))
        computing.finished_convolution(t["x"], t["w"], t["b"], t["y"], CONVOLUTIONS[name][2], 0.0)
        assert np.isnan(get(t["y"])).any()
        put(t["x"], np.zeros(t["x"].count))
        put(t["y"], np.full(t["y"].count, np.nan))
        computing.finished_convolution(t["x"], t["w"], t["b"], t["y"], CONVOLUTIONS[name][2], 0.0)
        assert not np.isnan(get(t["y"])).any()


@each
@pytest.mark.parametrize("seconds", [0, 60])
def test_the_same_bits_every_time(name, seconds):
    g, found = CONVOLUTIONS[name][2], []
    for _ in range(2):
        computing = engine(cudnn_search=seconds)
        for _ in range(3):
            t = tensors(shapes(name))
            computing.finished_convolution(t["x"], t["w"], t["b"], t["y"], g, 0.0)
            computing.convolution_grad_data(t["y"], t["w"], t["dx"], g)
            t["dw"].memory.update(HOST)[...] = 0
            computing.convolution_grad_weight(t["x"], t["y"], t["dw"], t["db"], g)
            found.append([get(t[name]).copy() for name in ("y", "dx", "dw", "db")])
    for other in found[1:]:
        for one, again in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, again)


@each
@pytest.mark.parametrize("last", [False, True], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize(("real", "tolerance"), [(FLOAT16, 8e-3), (BFLOAT16, 6e-2)])
def test_16_bits_in_both_orders(name, last, real, tolerance):
    """As a program, captured and replayed; bfloat16 since Ampere."""
    if real == BFLOAT16 and int(GpuDevice(0, devices.driver()).facts().capability.partition(".")[0]) < BFLOAT16_SINCE:
        pytest.skip("this GPU does not multiply bfloat16")
    options = Options(cudnn=Cudnn.CONVOLVES, precision=real, channels_last=last)
    computing = CudaEngine(GpuDevice(0, devices.driver(), options=options), options=options)

    def program(engine, t):
        recorder = Recorder()
        calls(name)(recorder, t)
        compiled = engine.compile(recorder.calls)
        for _ in range(3):
            for gradient in ("dw", "db"):
                t[gradient].memory.clear()
            compiled.run()

    x, outputs, g = CONVOLUTIONS[name]
    scale = 1 / np.sqrt(math.prod(g.kernel) * x[1] // g.group)
    weight = scale * np.random.default_rng(2).standard_normal((outputs, x[1] // g.group, *g.kernel))
    agree(shapes(name), program, tolerance=tolerance, given={"w": weight}, engine=computing)


@pytest.mark.parametrize("phase", [caffe.TEST, caffe.TRAIN])
@pytest.mark.parametrize("computes", [Cudnn.ALL, Cudnn.SEARCH])
def test_what_cudnn_computes_beside_convolutions(tmp_path, monkeypatch, computes, phase):
    """In graphs too. Whoever is quicker: the reference's numbers."""
    computing = engine(cudnn=computes, cudnn_search=60)
    monkeypatch.setitem(selection._made, "cuda", computing)
    (tmp_path / "net.prototxt").write_text(NET)
    seen = []
    for name in ("reference", "cuda"):
        with use(name), caffe.Net(str(tmp_path / "net.prototxt"), phase) as net:
            rng = np.random.default_rng(1)
            for parameter in net.params["norm"]:
                parameter.data[...] = rng.uniform(0.5, 2, parameter.shape)
            net.blobs["data"].data[...] = rng.standard_normal(net.blobs["data"].shape)
            net.blobs["prob"].diff[...] = rng.standard_normal(net.blobs["prob"].shape)
            for _ in range(3):
                net.forward()
                net.backward()
            seen.append([net.blobs[name].data.copy() for name in net.blobs])
            seen[-1].append(net.blobs["data"].diff.copy())
    assert any(isinstance(job, Pool) for job in computing.device.contest._runs)
    for mine, theirs in zip(*seen, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
