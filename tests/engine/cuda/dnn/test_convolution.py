"""Convolutions through a strict cuDNN that is none: the reference's numbers, and what is asked when."""

from __future__ import annotations

import ctypes
import gc

import numpy as np
import pytest

from caffe_sdk.engine import user_cache
from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.dnn.convolver import NoConvolver
from caffe_sdk.engine.cuda.dnn.shapes import Convolved, DataType, Layout
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.engine.cuda.gpu import GpuDevice
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.engine.geometry import ConvolutionGeometry
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import DeviceError
from tests.cases.table import CASES
from tests.cases.test_cases import REFERENCE, assert_close, run
from tests.engine.cpu import lenet
from tests.engine.cuda.mocked import device, fail, mock
from tests.engine.cuda.test_convolution import geometry, shapes, three
from tests.engine.cuda.test_engine import programs
from tests.engine.cuda.twins import agree, get, tensors

FORWARD, DATA, FILTER = range(3)
FMA = 3
RUNS = [f"cudnnConvolution{way}" for way in ("Forward", "BackwardData", "BackwardFilter", "BiasActivationForward")]
GUESSES = [f"cudnnGetConvolution{way}Algorithm_v7" for way in ("Forward", "BackwardData", "BackwardFilter")]
SEARCHES = [f"cudnnFindConvolution{way}AlgorithmEx" for way in ("Forward", "BackwardData", "BackwardFilter")]


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch, tmp_path, caplog):
    """cuDNN takes whatever it is asked, but where a test expects otherwise."""
    folder = user_cache.folder
    monkeypatch.setattr(user_cache, "folder", lambda name: tmp_path / name if name == "cudnn" else folder(name))
    yield
    mock().mock_dnn_set(ctypes.c_size_t(91002), 0)
    assert "for it does not take it" not in caplog.text


def engine(**options):
    return CudaEngine(device(options=Options(**options)))


class Counted:
    """How often functions of cuDNN's are called within a block."""

    def __enter__(self):
        self._before = {name: self._count(name) for name in (*RUNS, *GUESSES, *SEARCHES)}
        return self

    def __exit__(self, *error):
        self.calls = {name: self._count(name) - before for name, before in self._before.items()}

    def of(self, names):
        return [self.calls[name] for name in names]

    @staticmethod
    def _count(name):
        return mock().mock_dnn_calls(name.encode())


CONVOLUTIONS = [case for case in CASES if case.type in ("Convolution", "Deconvolution")]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_the_table_of_cases(case):
    computing, values = engine(), case.values()
    with Counted() as counted:
        tops, gradients = run(case, computing, values, programs=True)
    expected_tops, expected_gradients = run(case, REFERENCE, values)
    assert_close(tops, expected_tops, 2e-5)
    assert_close(gradients, expected_gradients, 5e-5)
    assert sum(counted.of(RUNS)) >= 2
    assert computing.device.dnn.version == "9.10.2"


@pytest.mark.parametrize("workspace", [0, 1 << 12, 1 << 28])
@pytest.mark.parametrize(
    "g",
    [
        geometry(),
        geometry(group=2),
        geometry(kernel=1, pad=0),
        geometry(stride=2, dilation=2, pad=2),
        geometry(5, pad=6),
    ],
    ids=str,
)
def test_numbers_are_the_same_whatever_the_workspace(g, workspace):
    computing = engine(workspace=workspace)
    with Counted() as counted:
        agree(shapes(g), three(g), engine=computing)
    assert counted.of(GUESSES) == [1, 1, 1]
    if workspace:
        return
    assert mock().mock_dnn_last(FORWARD) == FMA  # algorithm 0 takes none
    assert counted.of(RUNS)[1:3] == [0, 0]  # what is left of the gradients' adds in any order, or takes room


def test_alexnets_groups():
    """As its second convolution, and the ReLU behind it."""
    g = ConvolutionGeometry((5, 5), (1, 1), (2, 2), (1, 1), 2)

    def calls(computing, t):
        recorder = Recorder()
        recorder.convolution(t["x"], t["w"], t["b"], t["y"], g)
        recorder.relu(t["y"], t["y"], 0.0)
        program = computing.compile(recorder.calls)
        for _ in range(3):
            program.run()
        computing.convolution_grad_data(t["y"], t["w"], t["dx"], g)
        computing.convolution_grad_weight(t["x"], t["y"], t["dw"], t["db"], g)

    with Counted() as counted:
        agree(shapes(g, n=2, c=12, o=16, size=(9, 9)), calls, engine=engine())
    assert counted.of(RUNS) == [0, 1, 1, 2]  # at once, and captured


@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("kernel", [3, 2])
def test_bias_and_relu(kernel, biased, slope):
    """Together where cuDNN can: with a bias and a ReLU, or a bias and the one algorithm that ends in nothing."""
    g = geometry(kernel=kernel)

    def calls(computing, t):
        r = Recorder()
        r.convolution(t["x"], t["w"], t["b"] if biased else None, t["y"], g)
        if slope is not None:
            r.relu(t["y"], t["y"], slope)
        computing.compile(r.calls).run()

    with Counted() as counted:
        agree(shapes(g), calls, engine=engine())
    together = biased and (slope == 0.0 or (slope is None and kernel == 2))
    assert counted.of(RUNS) == [int(not together), 0, 0, int(together)]


def test_a_bias_and_relu_that_cannot_be_together_are_asked_for_once():
    g, computing = geometry(), engine()

    def calls(computing, t):
        r = Recorder()
        r.convolution(t["x"], t["w"], t["b"], t["y"], g)
        r.relu(t["y"], t["y"], 0.0)
        program = computing.compile(r.calls)
        for _ in range(4):  # the third is replayed
            program.run()

    fail("cudnnConvolutionBiasActivationForward", 3000)
    with Counted() as counted:
        agree(shapes(g), calls, engine=computing)
    assert counted.of(RUNS) == [2, 0, 0, 1]


def test_lenet_learns_through_cudnn():
    losses = {}
    with Counted() as counted:
        for computing in (ReferenceEngine(), engine()):
            t = lenet.lenet(3)
            forward, backward = programs(computing, t)
            losses[computing.name] = []
            for _ in range(4):
                lenet.clear(t)
                forward.run()
                backward.run()
                lenet.update(computing, t)
                losses[computing.name].append(float(get(t["loss"])))
    np.testing.assert_allclose(losses["cuda"], losses["reference"], rtol=1e-4)
    assert counted.of(GUESSES) == [2, 1, 2]
    assert sum(counted.of(SEARCHES)) == 0


# -- what may be used --------------------------------------------------------------------------------------------------


def last():
    return [mock().mock_dnn_last(way) for way in (FORWARD, DATA, FILTER)]


def test_sums_are_made_in_the_same_order_unless_said_otherwise():
    g = geometry()
    agree(shapes(g), three(g), engine=engine())
    assert last() == [63, 43, 13]
    agree(shapes(g), three(g), engine=engine(deterministic=False))
    assert last() == [63, 3, 3]


def test_products_are_made_of_whole_floats_unless_said_otherwise():
    g = geometry()
    agree(shapes(g), three(g), engine=engine(tf32=True))
    assert last() == [60, 40, 10]


def test_too_little_room_is_for_the_next_choice():
    g = geometry()
    agree(shapes(g), three(g), engine=engine(workspace=3 * 5 * 8 * 7 * 6 - 1))
    assert last()[0] == FMA


# -- measuring ---------------------------------------------------------------------------------------------------------


def test_the_quickest_is_measured_once_and_kept(tmp_path):
    g = geometry()
    with Counted() as counted:
        agree(shapes(g), three(g), engine=engine(cudnn_search=100))
    assert (counted.of(SEARCHES), counted.of(GUESSES)) == ([1, 1, 1], [0, 0, 0])
    assert last() == [3, 13, 13]
    assert len(list((tmp_path / "cudnn").iterdir())) == 3
    with Counted() as counted:  # as another process does
        agree(shapes(g), three(g), engine=engine(cudnn_search=100))
        assert last() == [3, 13, 13]
        agree(shapes(g), three(g), engine=engine(cudnn_search=100, tf32=True))
    assert counted.of(SEARCHES) == [1, 1, 1]
    assert last() == [1, 11, 11]


def test_measuring_ends_when_its_time_is_used_up():
    computing = engine(cudnn_search=100)
    computing.device.dnn._budget.left = 0.0
    with Counted() as counted:
        agree(shapes(geometry()), three(geometry()), engine=computing)
    assert (counted.of(SEARCHES), counted.of(GUESSES)) == ([0, 0, 0], [1, 1, 1])
    computing = engine(cudnn_search=1)
    computing.device.dnn._budget.left = 1e-9
    with Counted() as counted:
        agree(shapes(geometry()), three(geometry()), engine=computing)
    assert (counted.of(SEARCHES), counted.of(GUESSES)) == ([1, 0, 0], [0, 1, 1])


def test_nothing_is_measured_while_work_is_captured():
    g, computing = geometry(), engine(cudnn_search=100, workspace=0)
    t = tensors(shapes(g))
    for name in ("x", "w", "b"):
        t[name].memory.read(computing.place)
    t["y"].memory.write(computing.place)
    with Counted() as counted:
        replay = computing.device.capture(lambda: computing.convolution(t["x"], t["w"], t["b"], t["y"], g))
    assert (counted.of(SEARCHES), counted.of(GUESSES)) == ([0, 0, 0], [1, 0, 0])
    replay.launch()
    expected = tensors(shapes(g))
    ReferenceEngine().convolution(expected["x"], expected["w"], expected["b"], expected["y"], g)
    np.testing.assert_allclose(get(t["y"]), get(expected["y"]), atol=1e-4)


def test_what_cannot_be_measured_is_guessed():
    g = geometry()
    fail("cudnnFindConvolutionForwardAlgorithmEx", 3000)
    with Counted() as counted:
        agree(shapes(g), three(g), engine=engine(cudnn_search=100))
    assert (counted.of(SEARCHES), counted.of(GUESSES)) == ([1, 1, 1], [1, 0, 0])


# -- what is not supported, and what goes wrong ------------------------------------------------------------------------


def test_what_cudnn_does_not_support_is_computed_by_our_own_path():
    g, computing = geometry(), engine()
    mock().mock_dnn_set(ctypes.c_size_t(91002), 1)
    with Counted() as counted:
        agree(shapes(g), three(g), engine=computing)
        agree(shapes(g), three(g), engine=computing)
    assert sum(counted.of(RUNS)) == 0
    assert counted.of(GUESSES) == [1, 1, 1]  # it is not asked again
    fail("cudnnSetTensorNdDescriptorEx", 3000)
    with Counted() as counted:
        computing = engine()
        mock().mock_dnn_set(ctypes.c_size_t(91002), 0)
        agree(shapes(g), three(g), engine=computing)
    assert sum(counted.of((*RUNS, *GUESSES))) == 0


def test_an_algorithm_that_is_not_supported_after_all_is_struck_out():
    g, computing = geometry(), engine()
    t = tensors(shapes(g))
    for failing, algorithm in (
        (None, 63),
        ("cudnnConvolutionForward", 13),
        ("cudnnGetConvolutionForwardWorkspaceSize", 3),
    ):
        if failing:
            fail(failing, 3000)
        computing.convolution(t["x"], t["w"], None, t["y"], g)
        assert mock().mock_dnn_last(FORWARD) == algorithm
    fail("cudnnConvolutionForward", 3000)
    agree(shapes(g), three(g), engine=computing)


@pytest.mark.parametrize(("status", "words"), [(4003, "ALLOC_FAILED"), (5000, "EXECUTION_FAILED")])
@pytest.mark.parametrize("name", [RUNS[0], GUESSES[0], "cudnnGetConvolutionForwardWorkspaceSize"])
def test_what_goes_wrong_names_the_layer(name, status, words):
    t, recorder, computing = tensors(shapes(geometry())), Recorder(), engine()
    recorder.where = "layer 'conv1'"
    recorder.convolution(t["x"], t["w"], None, t["y"], geometry())
    program = computing.compile(recorder.calls)
    fail(name, status)
    with pytest.raises(DeviceError, match=rf"^layer 'conv1': GPU: {name}: CUDNN_STATUS_{words}; .*set CAFFE_CUDNN=0"):
        program.run()
    expected = tensors(shapes(geometry()))
    ReferenceEngine().convolution(expected["x"], expected["w"], None, expected["y"], geometry())
    for _ in range(3):
        program.run()
        np.testing.assert_allclose(get(t["y"]), get(expected["y"]), atol=1e-4)


@pytest.mark.parametrize("name", [*RUNS[:3], *GUESSES, "cudnnSetFilterNdDescriptor", RUNS[3]])
def test_what_it_does_not_take_is_logged_and_computed_without(name, caplog):
    g = geometry(kernel=2)

    def calls(computing, t):
        computing.convolution(t["x"], t["w"], None, t["y"], g)
        three(g)(computing, t)

    fail(name, 2000)
    agree(shapes(g), calls, engine=engine())
    assert f"computed without cuDNN, for it does not take it: {name}: CUDNN_STATUS_BAD_PARAM" in caplog.text
    caplog.clear()


def test_memory_that_ends_is_said():
    g, t = geometry(kernel=5), tensors(shapes(geometry(kernel=5)))
    computing = engine()
    for name in "xwby":
        t[name].memory.write(computing.place)
    fail("cuMemAllocAsync", 999)
    with pytest.raises(DeviceError, match="cuMemAllocAsync"):
        computing.convolution(t["x"], t["w"], t["b"], t["y"], g)


def test_descriptors_are_given_back_with_the_engine():
    gc.collect()
    before = mock().mock_dnn_descriptors()
    computing = engine()
    agree(shapes(geometry()), three(geometry()), engine=computing)
    assert mock().mock_dnn_descriptors() == before + 2 + 5
    del computing
    gc.collect()
    assert mock().mock_dnn_descriptors() == before


def test_old_plans_make_room_for_new_ones(monkeypatch):
    monkeypatch.setattr("caffe_sdk.engine.cuda.dnn.convolution.MOST_PLANS", 2)
    computing = engine()
    gc.collect()
    before = mock().mock_dnn_descriptors()
    for n in (1, 2, 3, 4, 1):
        agree(shapes(geometry(), n=n), three(geometry()), engine=computing)
    assert mock().mock_dnn_descriptors() == before + 2 * 5


# -- whether it is used ------------------------------------------------------------------------------------------------


def test_it_is_used_where_it_is_and_wanted():
    assert device(options=Options(cudnn=Cudnn.CONVOLVES_WHERE_IT_IS)).facts().cudnn == "9.10.2"
    assert device(options=Options(cudnn=Cudnn.CONVOLVES)).facts().cudnn == "9.10.2"
    without = device(options=Options(cudnn=Cudnn.NEVER))
    assert isinstance(without.dnn, NoConvolver)
    assert without.facts().cudnn == "none: CAFFE_CUDNN is 0"
    with Counted() as counted:
        agree(shapes(geometry()), three(geometry()), engine=CudaEngine(without))
    assert sum(counted.of(RUNS)) == 0


def test_one_that_cannot_be_used_is_an_error_only_where_it_was_asked_for(caplog):
    mock().mock_dnn_set(ctypes.c_size_t(8907), 0)
    where_it_is = Options(cudnn=Cudnn.CONVOLVES_WHERE_IT_IS)
    assert device(options=where_it_is).facts().cudnn.startswith("none: GPU: cuDNN 8.9.7 is here")
    with pytest.raises(DeviceError, match=r"cuDNN 8\.9\.7 is here, and 9 is called for"):
        device(options=Options(cudnn=Cudnn.CONVOLVES))
    mock().mock_dnn_set(ctypes.c_size_t(91002), 0)
    fail("cudnnCreate", 3007)
    assert device(options=where_it_is).facts().cudnn.startswith("none: GPU: cudnnCreate")
    logged = [record.getMessage() for record in caplog.records]
    assert [words.split(";")[0] for words in logged] == [
        "convolving without cuDNN, which is slower: GPU: cuDNN 8.9.7 is here, and 9 is called for",
        "convolving without cuDNN, which is slower: GPU: cudnnCreate: CUDNN_UNKNOWN_STATUS",
    ]


def test_one_that_is_not_there_is_done_without(caplog, monkeypatch):
    monkeypatch.setattr("caffe_sdk.engine.cuda.libraries.candidates", lambda name, versions: ["no-such-library"])
    without = GpuDevice(0, Driver(mock()), mock)
    assert without.facts().cudnn.startswith("none: GPU: convolving by cuDNN needs libcudnn.so.9, which is nowhere here")
    assert not caplog.records
    with pytest.raises(DeviceError, match=r"libcudnn\.so\.9, which is nowhere here; pip install"):
        GpuDevice(0, Driver(mock()), mock, options=Options(cudnn=Cudnn.CONVOLVES))


# -- what half precision stands on -------------------------------------------------------------------------------------


def rounded(values, kind):
    """Values as they are stored, and back."""
    if kind is DataType.FLOAT:
        return values, values
    if kind is DataType.HALF:
        stored = values.astype(np.float16)
        return stored, stored.astype(np.float32)
    bits = values.view(np.uint32)
    stored = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return stored, (stored.astype(np.uint32) << 16).view(np.float32)


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("kind", DataType)
def test_other_numbers_and_layouts(kind, layout, rng):
    """The weights' gradient is added to; sums are made in float32, and rounded once."""
    shape = Convolved((2, 4, 6, 5), (6, 2, 3, 3), (2, 6, 6, 5), (1, 1), (1, 1), (1, 1), 2, kind, layout)
    g, it = geometry(group=2), device()
    t = tensors({"x": shape.x, "w": shape.w, "b": (6,), "y": shape.y, "dx": shape.x, "dw": shape.w})
    t |= tensors({"z": shape.y, "sum": shape.y})
    buffers, values = {}, {}
    for name, tensor in t.items():
        stored, values[name] = rounded(get(tensor), kind)
        if layout is Layout.NHWC and stored.ndim > 1:
            stored = stored.transpose(0, 2, 3, 1)
        flat = np.ascontiguousarray(stored).reshape(-1)
        buffers[name] = it.allocate(flat.nbytes)
        it.upload(flat, buffers[name].pointer)
        tensor.memory.clear()
        tensor.memory.write(REFERENCE.place)[...] = values[name].reshape(-1)
    at = {name: buffer.pointer for name, buffer in buffers.items()}
    rooms = []

    def room(use, nbytes):
        rooms.append(it.allocate(nbytes))
        return rooms[-1].pointer

    assert it.dnn.grad_data(shape, at["w"], at["y"], at["dx"], room)
    assert it.dnn.grad_weight(shape, at["x"], at["y"], at["dw"], room)
    assert it.dnn.biased(shape, at["x"], at["w"], (at["b"], 0), at["y"], True, room)
    assert it.dnn.biased(shape, at["x"], at["w"], (at["b"], at["z"]), at["sum"], True, room)
    REFERENCE.convolution_grad_data(t["y"], t["w"], t["dx"], g)
    REFERENCE.convolution_grad_weight(t["x"], t["y"], t["dw"], None, g)
    REFERENCE.convolution(t["x"], t["w"], t["b"], t["y"], g)
    REFERENCE.add_all([t["y"], t["z"]], t["sum"])
    for name in ("y", "sum"):
        REFERENCE.relu(t[name], t[name], 0.0)
    tolerance = {DataType.FLOAT: 1e-5, DataType.HALF: 1e-3, DataType.BFLOAT16: 8e-3}[kind]
    for name in ("dx", "dw", "y", "sum"):
        wanted = get(t[name])
        got = np.empty(wanted.size, {DataType.FLOAT: np.float32, DataType.HALF: np.float16}.get(kind, np.uint16))
        it.download(at[name], got)
        if kind is DataType.BFLOAT16:
            got = (got.astype(np.uint32) << 16).view(np.float32)
        if layout is Layout.NHWC:
            got = got.reshape([wanted.shape[i] for i in (0, 2, 3, 1)]).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(got.reshape(wanted.shape), wanted, rtol=tolerance, atol=tolerance)
