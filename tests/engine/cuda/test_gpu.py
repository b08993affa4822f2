"""A GPU's device, call by call, on a driver that is none but strict."""

from __future__ import annotations

import ctypes
import gc
import threading

import numpy as np
import pytest

from caffe_sdk.engine.cuda import CudaEngine
from caffe_sdk.engine.cuda.device import Product
from caffe_sdk.engine.cuda.driver import Driver, DriverError
from caffe_sdk.engine.cuda.formats import BFLOAT16, FLOAT16
from caffe_sdk.engine.cuda.options import Cudnn, Options
from caffe_sdk.engine.operation import Recorder
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import DataError, DeviceError
from caffe_sdk.memory import new_tensor, transfers
from tests.engine.cpu import lenet
from tests.engine.cuda.mocked import AT_ONCE, GIGABYTE, LATE, device, fail, mock, order, settings
from tests.engine.cuda.test_engine import programs
from tests.engine.cuda.test_program import drawing
from tests.engine.cuda.twins import agree, get, put, simulated, tensors


@pytest.fixture(autouse=True)
def _as_it_was():
    before = transfers.copy()
    settings()
    yield
    settings()
    transfers.clear()
    transfers.update(before)


@pytest.fixture(params=[AT_ONCE, LATE], ids=["at once", "late"])
def _order(request):
    """What the GPU is asked for is done at once, or as late as can be."""
    with order(request.param):
        yield


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("cudnn", [Cudnn.CONVOLVES, Cudnn.NEVER])
def test_lenet_learns_from_replays_and_nothing_else_moves(cudnn):
    losses, captured, launched = {}, mock().mock_captured(), mock().mock_launched()
    for engine in (ReferenceEngine(), CudaEngine(device(options=Options(cudnn=cudnn)))):
        t = lenet.lenet(3)
        forward, backward = programs(engine, t)
        losses[engine.name] = []
        transfers.clear()
        for _ in range(4):
            lenet.clear(t)
            forward.run()
            backward.run()
            lenet.update(engine, t)
            losses[engine.name].append(float(get(t["loss"])))
    np.testing.assert_allclose(losses["cuda"], losses["reference"], rtol=1e-4)
    assert transfers["cuda", "host"] == 4
    assert transfers["host", "cuda"] == 11  # parameters, data, label and dloss, once
    assert mock().mock_captured() == captured + 2
    assert mock().mock_launched() == launched + 5  # backward took more scratch memory: forward was prepared again


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("cudnn", [Cudnn.CONVOLVES, Cudnn.NEVER])
@pytest.mark.parametrize("real", [FLOAT16, BFLOAT16], ids=lambda real: real.name)
def test_lenet_in_16_bits_is_the_simulated_device_s(real, cudnn):
    """By replays, through other code of driver and cuBLAS, to the last digits that sums in another order leave."""
    losses, options = [], Options(precision=real, cudnn=cudnn)
    for engine in (simulated(options), CudaEngine(device(options=options), options=options)):
        t = lenet.lenet(3)
        forward, backward = programs(engine, t)
        losses.append([])
        for _ in range(2):
            lenet.clear(t)
            forward.run()
            backward.run()
            lenet.update(engine, t)
            losses[-1].append(float(get(t["loss"])))
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-2 if real == BFLOAT16 else 3e-3)


def test_masks_of_replays_are_those_of_the_host():
    made, captured = [], mock().mock_captured()
    for engine in (ReferenceEngine(), CudaEngine(device())):
        rng = np.random.default_rng(1)
        program, results = drawing(engine, rng, 2)
        made.append([])
        for _ in range(4):
            program.run()
            made[-1] += [get(result).copy() for result in results]
    assert mock().mock_captured() == captured + 1
    for wanted, got in zip(*made, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_sums_by_many_blocks_of_many_threads():
    def calls(engine, t):
        engine.softmax(t["x"], t["y"], 1)
        engine.softmax_loss(t["y"], t["l"], t["loss"], 1, None, "VALID")
        engine.batch_norm(t["x"], t["z"], t["n"], t["d"], t["m"], t["v"], t["w"], 1e-3, 0.9)

    shape = (20, 12)
    names = dict.fromkeys(("x", "y", "z", "n"), shape) | dict.fromkeys(("d", "m", "v"), (12,))
    agree({**names, "w": (1,), "l": (20,), "loss": ()}, calls, given={"l": [3] * 20}, engine=CudaEngine(device()))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("ways", [(False, False), (False, True), (True, False), (True, True)])
def test_products(ways, batch, rng):
    it = device()
    a, b, c = (rng.random((batch, *shape), np.float32) for shape in ((3, 4), (4, 5), (3, 5)))
    given = [x.swapaxes(1, 2) if way else x for x, way in zip((a, b), ways, strict=True)]
    buffers = []
    for x in (*given, c):
        whole = np.ascontiguousarray(x)
        buffers.append(it.allocate(whole.nbytes))
        it.upload(whole.reshape(-1), buffers[-1].pointer)
    it.multiply(Product(3, 5, 4, *(x.pointer for x in buffers), *ways, 1.0, batch, 12, 20, 15))
    result = np.empty(c.size, np.float32)
    it.download(buffers[2].pointer, result)
    np.testing.assert_allclose(result.reshape(c.shape), a @ b + c, rtol=1e-5)


@pytest.mark.parametrize("pools", [True, False])
def test_memory_is_given_back(pools):
    settings(pools=pools)
    it, used = device(), None
    for _ in range(3):
        buffer = it.allocate(1000)
        used = mock().mock_used() if used is None else used
        assert mock().mock_used() == used
        del buffer


def test_memory_that_ends_is_said_in_bytes():
    settings(memory=100 << 20)
    gc.collect()  # so that nothing is given back meanwhile
    it = device()
    free = it.facts().free
    words = rf"^memory: 200,000,000 bytes cannot be had: of 104,857,600 on GPU 0 \(Mock GPU\) {free:,} are free; use a"
    with pytest.raises(DeviceError, match=words):
        it.allocate(200_000_000)
    fail("cuMemAllocAsync", 2)  # once: what was given back is trimmed, and there is room
    assert it.allocate(1000).pointer
    fail("cuMemAllocAsync", 999)
    with pytest.raises(DriverError, match="cuMemAllocAsync: CUDA_ERROR_UNKNOWN, unknown error"):
        it.allocate(1000)


def test_memory_that_ends_in_a_layer_names_it_and_leaves_the_rest_usable():
    settings(memory=64 << 20)
    engine, recorder = CudaEngine(device()), Recorder()
    t = tensors({"x": (3, 4), "y": (3, 4)}) | {"large": new_tensor((5000, 5000))}
    recorder.where = "layer 'wide'"
    recorder.tile(t["x"], t["large"], 0, 1)
    with pytest.raises(DeviceError, match=r"^layer 'wide': memory: 100,000,000 bytes cannot be had"):
        engine.compile(recorder.calls).run()
    engine.relu(t["x"], t["y"], 0.0)
    np.testing.assert_array_equal(get(t["y"]), np.maximum(get(t["x"]), 0))


def test_what_is_given_back_while_work_is_captured_waits():
    gc.collect()  # what other tests left is not given back meanwhile
    it = device()
    buffer = [it.allocate(64)]
    rooms = mock().mock_rooms()

    def work():
        it.clear(buffer[0].pointer, 64)
        buffer.clear()
        assert mock().mock_rooms() == rooms

    it.capture(work)
    assert mock().mock_rooms() == rooms - 1
    with pytest.raises(ZeroDivisionError):
        it.capture(lambda: 1 // 0)
    it.wait()  # which it may only outside a capture


def test_other_threads_wait_while_work_is_captured():
    """What they ask for would be captured too, or refused."""
    it, done = device(), []
    numbers, buffer = np.arange(4, dtype=np.float32), it.allocate(16)

    def upload():
        it.upload(numbers, buffer.pointer)
        done.append(True)

    other = threading.Thread(target=upload)

    def work():
        other.start()
        other.join(0.05)
        assert not done
        it.clear(buffer.pointer, 8)

    replay = it.capture(work)
    other.join()
    assert done
    replay.launch()
    result = np.empty(4, np.float32)
    it.download(buffer.pointer, result)
    assert result.tolist() == [0, 0, 2, 3]


def test_labels_that_are_none_are_told_after_a_replay_too():
    engine, t = CudaEngine(device()), tensors({"p": (2, 3), "l": (2,), "loss": ()})
    for _ in range(3):
        put(t["l"], [1, 5])
        engine.softmax_loss(t["p"], t["l"], t["loss"], 1, None, "VALID")
        with pytest.raises(DataError, match="label: 5 is not one of 3 classes"):
            get(t["loss"])
        put(t["l"], [1, 2])
        engine.softmax_loss(t["p"], t["l"], t["loss"], 1, None, "VALID")
        get(t["loss"])


def test_facts():
    facts = device(1).facts()
    assert (facts.name, facts.number, facts.capability, facts.processors) == ("Mock GPU", 1, "9.0", 1)
    assert (facts.memory, facts.driver) == (GIGABYTE, "12.4")


@pytest.mark.parametrize(
    ("gpus", "words"), [(0, "there is no GPU"), (1, "there is 1 GPU, number 0"), (2, "there are 2 GPUs, 0 to 1")]
)
def test_a_gpu_that_is_not_there(gpus, words):
    settings(gpus=gpus)
    with pytest.raises(DeviceError, match=f"GPU 7 was asked for, and {words}; choose another, or use set_mode_cpu"):
        device(7)


def test_a_driver_that_cannot_be_used():
    fail("cuInit", 999)
    with pytest.raises(DeviceError, match="GPU: cuInit: CUDA_ERROR_UNKNOWN, unknown error"):
        Driver(mock())
    with pytest.raises(DeviceError, match="the NVIDIA driver has no cuInit: it is too old"):
        Driver(ctypes.CDLL(None))
    fail("cuStreamCreate", 12345)
    with pytest.raises(DeviceError, match="cuStreamCreate: error 12345"):
        device()


def test_products_in_tf32_are_asked_for(monkeypatch):
    device()
    assert mock().mock_math_mode() == 16
    monkeypatch.setenv("CAFFE_TF32", "1")
    device()
    assert mock().mock_math_mode() == 19


def test_cublas_that_fails():
    it = device()
    fail("cublasSgemm", 13)
    with pytest.raises(DeviceError, match="cublasSgemm_v2 answers 13"):
        it.multiply(Product(1, 1, 1, *(it.allocate(4).pointer,) * 3))
