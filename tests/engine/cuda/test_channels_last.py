"""Nets whose values lie channels last: as right as others, and nothing is turned round between data and loss."""

from __future__ import annotations

import numpy as np
import pytest

import caffe_sdk as caffe
from caffe_sdk.engine import selection, use
from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.memory import HOST, transfers
from caffe_sdk.net_spec import NetSpec
from caffe_sdk.net_spec import layers as L
from caffe_sdk.net_spec import params as P
from tests.cases.table import CASES
from tests.cases.test_cases import REFERENCE, assert_close, run
from tests.engine.cpu import lenet
from tests.engine.cuda.mocked import device, install, mock
from tests.engine.cuda.test_engine import programs
from tests.engine.cuda.twins import get

DIGITS = {FLOAT16: 2**-11, BFLOAT16: 2**-8}
each_half = pytest.mark.parametrize("real", DIGITS, ids=lambda real: real.name)
FILLER = {"type": "msra"}
BATCH = 3
NHWC = 1
WAYS = range(3)


def convolved(n, name, x, outputs, kernel=3, **more):
    y = n[name] = L.Convolution(x, num_output=outputs, kernel_size=kernel, weight_filler=FILLER, **more)
    return y


def rectified(n, name, x):
    n[f"relu_{name}"] = L.ReLU(x, in_place=True)
    return x


def begun():
    n = NetSpec()
    n.data, n.label = L.Input(shape={"dim": [BATCH, 3, 23, 21]}), L.Input(shape={"dim": [BATCH]})
    return n


def ended(n, x):
    n.fc = L.InnerProduct(x, num_output=5, weight_filler=FILLER)
    n.loss = L.SoftmaxWithLoss(n.fc, n.label)
    return n.to_proto()


def inception():
    """As GoogLeNet: pooling rounded up, LRN, branches that are joined, an average over all places."""
    n = begun()
    x = rectified(n, "conv1", convolved(n, "conv1", n.data, 8, 5, stride=2, pad=2))
    n.pool1 = L.Pooling(x, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    n.norm1 = L.LRN(n.pool1, local_size=5, alpha=1e-2, beta=0.75)
    n.pool2 = L.Pooling(n.norm1, pool=P.Pooling.MAX, kernel_size=3, stride=1, pad=1)
    some = [rectified(n, f"b{k}", convolved(n, f"b{k}", n.norm1, 4 + k, k, pad=k // 2)) for k in (1, 3)]
    n.joined = L.Concat(*some, rectified(n, "proj", convolved(n, "proj", n.pool2, 3, 1)))
    n.mean = L.Pooling(n.joined, pool=P.Pooling.AVE, global_pooling=True)
    return ended(n, n.mean)


def residual():
    """As ResNet: normalized, scaled, added to what it began with; and a Dropout and a PReLU."""
    n = begun()

    def normalized(name, x, outputs, **more):
        y = convolved(n, name, x, outputs, bias_term=False, pad=1, **more)
        n[f"bn_{name}"] = L.BatchNorm(y, in_place=True)
        n[f"scale_{name}"] = L.Scale(y, in_place=True, bias_term=True)
        return y

    x = rectified(n, "conv1", normalized("conv1", n.data, 6, stride=2))
    y = rectified(n, "conv2", normalized("conv2", x, 6))
    n.sum = L.Eltwise(x, normalized("conv3", y, 6))
    n.slope = L.PReLU(rectified(n, "sum", n.sum))
    n.most = L.Eltwise(n.slope, n.sum, operation=P.Eltwise.MAX)
    n.part, n.rest = L.Slice(n.most, ntop=2, axis=1, slice_point=2)
    n.both = L.Concat(n.rest, n.part)
    n.dropped = L.Dropout(n.both, dropout_ratio=0.5)
    n.mean = L.Pooling(n.dropped, pool=P.Pooling.AVE, global_pooling=True)
    return ended(n, n.mean)


def computed(spec, phase=caffe.TRAIN):
    """The values and gradients of a net after two runs, and what moved in them."""
    caffe.set_random_seed(3)
    net = caffe.Net(spec, phase)
    rng = np.random.default_rng(1)
    for name, values in (("data", rng.standard_normal(net.blobs["data"].shape)), ("label", [1, 0, 4])):
        net.blobs[name].data_memory.write(HOST)[...] = np.reshape(values, -1)
    for normalizes in (some for layer, some in net.params.items() if layer.startswith("bn_")):
        normalizes[1].data_memory.write(HOST)[...] = normalizes[2].data_memory.write(HOST)[...] = 1
    transfers.clear()
    for _ in range(2):
        net.forward()
        if phase == caffe.TRAIN:
            net.clear_param_diffs()
            net.backward()
    moved = transfers.copy()
    values = {name: blob.data.copy() for name, blob in net.blobs.items()}
    gradients = {f"{name} {i}": p.diff.copy() for name, some in net.params.items() for i, p in enumerate(some)}
    return values | gradients, moved


def assert_near(got, wanted):
    for key, values in wanted.items():
        assert np.linalg.norm(got[key] - values) <= 0.03 * np.linalg.norm(values) + 1e-6, key


BY = {"simulated": {"CAFFE_CHANNELS_LAST": "1"}, "cuda:0": {}, "cuda:1": {"CAFFE_CUDNN": "all"}}
"""Engines, and what makes them compute channels last: by our own products, by cuDNN, and all that it can by cuDNN."""


@pytest.fixture(params=BY)
def name(request, monkeypatch):
    """Of an engine in 16 bits."""
    install(monkeypatch)
    for variable, said in BY[request.param].items():
        monkeypatch.setenv(variable, said)
    before = transfers.copy()
    yield f"{request.param}:float16"
    transfers.clear()
    transfers.update(before)


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
@pytest.mark.parametrize("spec", [inception, residual])
def test_nothing_is_turned_round_between_data_and_loss(spec, phase, name):
    """Data and weights become narrow and channels last at once, those that a normalization is part of once they are
    made, and of gradients nobody looked at any: no more.
    """
    with use("reference"):
        wanted, _ = computed(spec(), phase)
    with use(name):
        got, moved = computed(spec(), phase)
        wide = selection.current().name
        narrow = f"{wide} float16 channels last"
    folded = {(wide, narrow)} if phase == caffe.TEST and spec is residual else set()
    assert {ways for ways in moved if "channels last" in " ".join(ways)} == {("host", narrow)} | folded
    if folded:
        assert moved[wide, narrow] == 3  # the weights of the three convolutions, once
    assert_near(got, wanted)


def reshaped():
    """A memory that two convolutions see in two shapes."""
    n = begun()
    x = rectified(n, "conv1", convolved(n, "conv1", n.data, 6))
    n.other = L.Reshape(x, shape={"dim": [0, 3, 42, 19]})
    y = rectified(n, "conv2", convolved(n, "conv2", n.other, 4))
    n.flat = L.Flatten(y)
    return ended(n, n.flat)


def test_a_memory_that_is_seen_in_two_shapes(name):
    with use("reference"):
        wanted, _ = computed(reshaped())
    with use(name):
        assert_near(computed(reshaped())[0], wanted)


# -- cuDNN -------------------------------------------------------------------------------------------------------------

CONVOLUTIONS = [case for case in CASES if case.type in ("Convolution", "Deconvolution")]


@pytest.fixture
def refusing():
    """What makes cuDNN refuse whatever lies channels last."""
    yield lambda: mock().mock_dnn_refuse_last(1)
    mock().mock_dnn_refuse_last(0)


def by_cudnn(real, **more):
    options = Options(precision=real, **more)
    return CudaEngine(device(options=options), options=options)


@each_half
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_the_table_of_cases(case, real, refusing):
    """By cuDNN as values lie; where it refuses that, in Caffe's order; and without room, by our own products."""
    expected, gradients = run(case, REFERENCE, case.values())
    for workspace, refuses in ((1 << 28, False), (1 << 28, True), (0, False)):
        if refuses:
            refusing()
        got, got_gradients = run(case, by_cudnn(real, workspace=workspace), case.values(), programs=True)
        assert_close(got, expected, 10 * DIGITS[real])
        assert_close(got_gradients, gradients, 12 * DIGITS[real])


@pytest.mark.parametrize("order", [None, True, False])
@pytest.mark.parametrize("cudnn", [Cudnn.CONVOLVES, Cudnn.NEVER])
def test_who_is_asked_for_what(order, cudnn, refusing):
    """Unless something else is said, values lie channels last where cuDNN convolves."""
    last, losses = order or (order is None and cudnn is Cudnn.CONVOLVES), []
    for refuses in (False, True):
        if refuses:
            refusing()
        t = lenet.lenet(3)
        forward, backward = programs(by_cudnn(FLOAT16, channels_last=order, cudnn=cudnn), t)
        assert any(how.last for how in forward.plan.hows) == last
        for _ in range(2):
            lenet.clear(t)
            forward.run()
            backward.run()
            losses.append(float(get(t["loss"])))
        if cudnn is Cudnn.CONVOLVES:
            assert [mock().mock_dnn_layout(way) for way in WAYS] == [NHWC if last and not refuses else 0] * 3
    np.testing.assert_allclose(losses, losses[0], rtol=3e-3)


def test_floats_never_lie_so():
    engine = by_cudnn(FLOAT16)
    floats = CudaEngine(engine.device, options=Options())
    forward, backward = programs(floats, lenet.lenet(2))
    assert not any(how.last for program in (forward, backward) for how in program.plan.hows)
