"""What cuDNN computes beside convolutions: the numbers of the table of cases, and what it is not asked for."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.engine import use
from caffe_sdk.engine.cuda import CudaEngine, precision
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.engine.operation import Recorder
from tests.cases.table import CASES
from tests.cases.test_cases import REFERENCE, assert_close, run
from tests.engine.cuda.mocked import device, install, mock
from tests.engine.cuda.twins import agree, get, tensors

BY_TYPE = {
    "ReLU": {"cudnnActivationForward", "cudnnActivationBackward"},
    "Sigmoid": {"cudnnActivationForward", "cudnnActivationBackward"},
    "TanH": {"cudnnActivationForward", "cudnnActivationBackward"},
    "ELU": {"cudnnActivationForward"},
    "Softmax": {"cudnnSoftmaxForward", "cudnnSoftmaxBackward"},
    "SoftmaxWithLoss": {"cudnnSoftmaxForward"},
    "Pooling": {"cudnnPoolingForward", "cudnnPoolingBackward"},
    "SPP": {"cudnnPoolingForward", "cudnnPoolingBackward"},
    "BatchNorm": {"cudnnBatchNormalizationForwardInference"},
    "LRN": {"cudnnLRNCrossChannelBackward"},  # in training forward tells of the scale, which cuDNN does not
}
"""What cases of a type call, all together."""
AT_TEST = {"cudnnLRNCrossChannelForward", "cudnnBatchNormalizationForwardInference"}
CALLED = sorted(AT_TEST.union(*BY_TYPE.values()))


@pytest.fixture(autouse=True)
def _as_it_was(caplog):
    yield
    mock().mock_dnn_set(ctypes.c_size_t(91002), 0)
    assert "for it does not take it" not in caplog.text


def engine(**options):
    asked = Options(cudnn=Cudnn.ALL, **options)
    return CudaEngine(device(options=asked), options=asked)


class Called:
    """Which functions of cuDNN's are called within a block."""

    def __enter__(self):
        self._before = self._counts()
        return self

    def __exit__(self, *error):
        self.counts = {name: count - self._before[name] for name, count in self._counts().items()}
        self.names = {name for name, count in self.counts.items() if count}

    @staticmethod
    def _counts():
        return {name: mock().mock_dnn_calls(name.encode()) for name in CALLED}


@pytest.mark.parametrize("kind", BY_TYPE)
def test_the_table_of_cases(kind):
    """As programs, which are captured and replayed; nothing falls to the host."""
    with Called() as called:
        for case in (case for case in CASES if case.type == kind):
            values = case.values()
            tops, gradients = run(case, engine(), values, programs=True)
            expected_tops, expected_gradients = run(case, REFERENCE, values)
            assert_close(tops, expected_tops, 2e-5)
            assert_close(gradients, expected_gradients, 5e-5)
    assert called.names == BY_TYPE[kind]


@pytest.mark.parametrize("last", [False, True], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", ["Sigmoid", "Pooling", "SPP", "LRN", "BatchNorm"])
def test_the_table_of_cases_in_16_bits(monkeypatch, kind, last):
    """In both orders, wherever an operation can take such values. An LRN that lies channels last is ours."""
    monkeypatch.setattr(precision, "MULTIPLY", precision.NARROW | precision.MULTIPLY)
    with Called() as called:
        for case in (case for case in CASES if case.type == kind):
            values = case.values()
            got, got_gradients = run(case, engine(precision=FLOAT16, channels_last=last), values, programs=True)
            expected, gradients = run(case, REFERENCE, values)
            assert_close(got, expected, 10 * 2**-11)
            assert_close(got_gradients, gradients, 12 * 2**-11)
    assert called.names == (set() if kind == "LRN" and last else BY_TYPE[kind])


NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 6 dim: 9 dim: 8 } } }
layer { name: "lrn" type: "LRN" bottom: "data" top: "lrn" lrn_param { alpha: 0.5 } }
layer { name: "norm" type: "BatchNorm" bottom: "lrn" top: "norm" }
layer { name: "bias" type: "Bias" bottom: "norm" top: "norm" }
layer { name: "tanh" type: "TanH" bottom: "norm" top: "tanh" }
layer { name: "max" type: "Pooling" bottom: "tanh" top: "max" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "mean" type: "Pooling" bottom: "max" top: "mean" pooling_param { pool: AVE global_pooling: true } }
"""


@pytest.mark.parametrize("batch", [2, 1])
def test_a_net_at_test(tmp_path, monkeypatch, batch):
    """Nothing is asked for that cuDNN does not tell of; of the maxima there are more than it counts."""
    install(monkeypatch)
    monkeypatch.setenv("CAFFE_CUDNN", "all")
    (tmp_path / "net.prototxt").write_text(NET)
    seen = []
    with Called() as called:
        for name in ("reference", "cuda"):
            with use(name), caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST) as net:
                rng = np.random.default_rng(1)
                for parameter in (*net.params["norm"], *net.params["bias"]):
                    parameter.data[...] = rng.uniform(0.5, 2, parameter.shape)
                net.blobs["data"].reshape(batch, 6, 9, 8)
                net.blobs["data"].data[...] = rng.standard_normal((batch, 6, 9, 8))
                for _ in range(3):
                    net.forward()
                seen.append([net.blobs[name].data.copy() for name in ("lrn", "norm", "mean")])
                net.backward()
                seen[-1].append(net.blobs["data"].diff.copy())
    for mine, theirs in zip(*seen, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    backward = {f"cudnn{what}Backward" for what in ("Activation", "Pooling", "LRNCrossChannel")}
    assert called.names == AT_TEST | backward | {"cudnnActivationForward", "cudnnPoolingForward"}
    assert called.counts["cudnnPoolingForward"] == called.counts["cudnnLRNCrossChannelForward"]


@pytest.mark.parametrize(("real", "tolerance"), [(FLOAT16, 4e-3), (BFLOAT16, 3e-2)])
def test_in_16_bits(real, tolerance):
    """Where all numbers are stored so; a softmax makes floats of them, which cuDNN does not."""

    def calls(computing, t):
        r = Recorder()
        r.inner_product(t["x"], t["w"], None, t["y"], False)
        r.sigmoid(t["y"], t["z"])
        r.softmax(t["z"], t["p"], 1)
        r.inner_product_grad_data(t["p"], t["w"], t["x"], False)
        r.relu_grad(t["v"], t["x"], t["x"], 0.0)
        program = computing.compile(r.calls)
        for _ in range(3):
            program.run()

    names = {"x": (4, 6), "w": (3, 6), "y": (4, 3), "z": (4, 3), "p": (4, 3), "v": (4, 6)}
    with Called() as called:
        agree(names, calls, tolerance, engine=engine(precision=real))
    assert called.names == {"cudnnActivationForward", "cudnnActivationBackward"}


@pytest.mark.parametrize("kind", ["relu", "elu_grad", "softmax"])
def test_what_cudnn_is_not_asked_for(kind):
    """A slope of the ReLU's, the gradient of an ELU whose result is not known, a softmax in place."""

    def calls(computing, t):
        if kind == "relu":
            computing.relu(t["x"], t["y"], 0.1)
            computing.relu_grad(t["x"], t["y"], t["y"], 0.1)
        elif kind == "softmax":
            computing.softmax(t["x"], t["x"], 1)
        else:
            computing.elu_grad(t["x"], t["y"], t["y"], 0.7)

    with Called() as called:
        agree({"x": (3, 4), "y": (3, 4)}, calls, engine=engine())
    assert called.names == set()


def test_what_cudnn_does_not_support_is_computed_by_our_own_kernels():
    mock().mock_dnn_set(ctypes.c_size_t(91002), 1)

    def calls(computing, t):
        computing.sigmoid(t["x"], t["y"])
        computing.softmax(t["y"], t["z"], 1)

    with Called() as called:
        computing = engine()
        for _ in range(2):
            agree(dict.fromkeys("xyz", (3, 4)), calls, engine=computing)
    assert called.counts["cudnnActivationForward"] == called.counts["cudnnSoftmaxForward"] == 1


def test_nan_stays_nan():
    computing, t = engine(), tensors({"x": (3,), "y": (3,)})
    t["x"].memory.write(REFERENCE.place)[...] = [np.nan, -1, 2]
    computing.relu(t["x"], t["y"], 0.0)
    np.testing.assert_array_equal(get(t["y"]), [np.nan, 0, 2])
