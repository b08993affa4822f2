"""NCCL's calls, by ranks that are threads, on a library that is none but strict."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_sdk.engine.cuda import lanes, nccl
from caffe_sdk.engine.cuda.device import Device
from caffe_sdk.engine.cuda.nccl import Communicator, Nccl
from caffe_sdk.engine.cuda.simulated import SimulatedDevice
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.mocked import COPIES_EARLY, LATE, check_exchanges, device, fail, made, mock_nccl, order, settings

PROTOTYPE = re.compile(r"^ncclResult_t\s+(nccl\w+)\(([^)]*)\);", re.MULTILINE)
C_TYPES = {
    "int*": ctypes.POINTER(ctypes.c_int),
    "ncclResult_t*": ctypes.POINTER(ctypes.c_int),
    "ncclUniqueId*": ctypes.POINTER(nccl.UniqueId),
    "ncclComm_t*": ctypes.POINTER(ctypes.c_void_p),
    "int": ctypes.c_int,
    "ncclUniqueId": nccl.UniqueId,
    "ncclComm_t": ctypes.c_void_p,
    "void*": ctypes.c_void_p,
    "size_t": ctypes.c_size_t,
    "ncclDataType_t": ctypes.c_int,
    "ncclRedOp_t": ctypes.c_int,
    "cudaStream_t": ctypes.c_void_p,
}


JOINS_AND_ENDS = """
import ctypes, os, sys

class Uid(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_byte * 128)]

handle, uid = ctypes.c_void_p(), Uid.from_buffer_copy(bytes.fromhex(sys.argv[2]))
os._exit(ctypes.CDLL(sys.argv[1]).ncclCommInitRank(ctypes.byref(handle), 2, uid, 1))
"""


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    settings(gpus=4)
    yield
    settings()
    check_exchanges(False)
    mock_nccl().mock_nccl_asynchronous(0)
    mock_nccl().mock_nccl_mark(ctypes.c_float(0))


def on_ranks(size: int, work: Callable[[int], Any]) -> list[Any]:
    """What each rank gives; what it raises is given too."""
    results: list[Any] = [None] * size

    def one(rank: int) -> None:
        try:
            results[rank] = work(rank)
        except DeviceError as error:
            results[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def placed(it: Device, values: np.ndarray) -> Any:
    buffer = it.allocate(values.nbytes)
    it.upload(values, buffer.pointer)
    return buffer


def fetched(it: Device, buffer: Any) -> np.ndarray:
    values = np.empty(buffer.nbytes // 4, np.float32)
    it.download(buffer.pointer, values)
    return values


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", ["mock", "simulated"])
def test_means_and_copies(kind: str, size: int, rng: np.random.Generator) -> None:
    library = Nccl(mock_nccl())
    uid = library.new_uid()
    values = rng.standard_normal((size, 2, 40_000), np.float32)
    devices = [device(rank) if kind == "mock" else SimulatedDevice(rank) for rank in range(size)]
    check_exchanges(kind == "mock")
    destroyed = mock_nccl().mock_nccl_destroyed()

    def work(rank: int) -> list[np.ndarray]:
        it = devices[rank]
        communicator = Communicator(library, it.lane(), uid, rank, size)
        averaged, copied = (placed(it, numbers) for numbers in values[rank])
        communicator.copy_first([(copied.pointer, 40_000)])
        communicator.average([(averaged.pointer, 5), (averaged.pointer + 20, 39_995)])
        communicator.join()
        result = [fetched(it, buffer) for buffer in (averaged, copied)]
        communicator.close()
        communicator.close()
        with pytest.raises(DeviceError, match="the exchange with the other ranks was ended"):
            communicator.average([(averaged.pointer, 1)])
        return result

    results = on_ranks(size, work)
    for averaged, copied in results:
        np.testing.assert_allclose(averaged, values[:, 0].mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(averaged, results[0][0])
        np.testing.assert_array_equal(copied, values[0, 1])
    assert mock_nccl().mock_nccl_destroyed() == destroyed + size


@pytest.mark.parametrize("wanted", [LATE, COPIES_EARLY])
@pytest.mark.parametrize("without", [None, "begin", "end"])
def test_an_exchange_is_behind_what_was_computed_and_before_what_is(
    wanted: int, without: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late or early the GPU does things; and the mock would show if it were not."""
    if without:
        monkeypatch.setattr(lanes.GpuLane, without, lambda self: None)
    library, it = Nccl(mock_nccl()), device()
    communicator = Communicator(library, it.lane(), library.new_uid(), 0, 1)
    check_exchanges(True)
    mock_nccl().mock_nccl_mark(ctypes.c_float(1))  # what is exchanged is seen
    first = placed(it, np.full(4, 2, np.float32))
    second, third = it.allocate(16), it.allocate(16)
    with order(wanted):
        it.copy(first.pointer, second.pointer, 16)
        communicator.average([(second.pointer, 4)])
        communicator.join()
        it.copy(second.pointer, third.pointer, 16)
        right = fetched(it, third).tolist() == [3] * 4
    if without is None:
        assert right
    elif (without == "begin") == (wanted == COPIES_EARLY):
        assert not right


def test_ranks_that_ask_for_different_things() -> None:
    library = Nccl(mock_nccl())
    uid = library.new_uid()

    def work(rank: int) -> None:
        it = SimulatedDevice(rank)
        buffer = it.allocate(80)
        Communicator(library, it.lane(), uid, rank, 2).average([(buffer.pointer, 10 + rank)])

    for error in on_ranks(2, work):
        assert re.match("NCCL: ncclGroupEnd: mock error; NCCL_DEBUG=INFO tells more", str(error))


def test_what_is_no_gpu_memory_is_refused() -> None:
    check_exchanges(True)
    library, it = Nccl(mock_nccl()), device()
    communicator = Communicator(library, it.lane(), library.new_uid(), 0, 1)
    with pytest.raises(DeviceError, match="ncclAllReduce: mock error"):
        communicator.average([(16, 4)])


def test_a_rank_that_dies_is_noticed() -> None:
    """Its process is gone, and the others are in the middle of an exchange."""
    library = Nccl(mock_nccl())
    uid = library.new_uid()
    child = subprocess.Popen([sys.executable, "-c", JOINS_AND_ENDS, str(made("mock_nccl")), uid.hex()])
    it = SimulatedDevice()
    communicator, buffer = Communicator(library, it.lane(), uid, 0, 2), it.allocate(16)
    with pytest.raises(DeviceError, match="remote process exited or there was a network error"):
        communicator.average([(buffer.pointer, 4)])
    assert child.wait() == 0


def test_errors_that_come_while_one_waits_end_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LOOK", 0.0)
    library, it = Nccl(mock_nccl()), device()
    communicator = Communicator(library, it.lane(), library.new_uid(), 0, 1)
    for _ in range(3):
        fail("cuEventQuery", 600)  # not ready
        it.wait()
    aborted = mock_nccl().mock_nccl_aborted()
    mock_nccl().mock_nccl_asynchronous(6)
    fail("cuEventQuery", 600)
    with pytest.raises(DeviceError, match=r"NCCL: a rank is gone: remote process exited.*go on from the last snapshot"):
        it.wait()
    assert mock_nccl().mock_nccl_aborted() == aborted + 1
    fail("cuEventQuery", 600)
    it.wait()  # there is nobody left to look after
    fail("cuEventQuery", 999)
    with pytest.raises(DeviceError, match="cuEventQuery: CUDA_ERROR_UNKNOWN"):
        it.wait()
    communicator.abort()


def test_nobody_is_asked_after_who_is_not_there_any_more() -> None:
    library, it = Nccl(mock_nccl()), device()
    communicator = Communicator(library, it.lane(), library.new_uid(), 0, 1)
    guards = it.lane()._guards
    assert [guard() for guard in guards] == [communicator.check]
    del communicator
    it.lane().guard(lambda: None)
    assert len(guards) == 1


def test_who_cannot_come_says_so() -> None:
    library = Nccl(mock_nccl())
    mock_nccl().mock_nccl_fail(b"ncclCommInitRank", 2)
    with pytest.raises(DeviceError, match="NCCL: ncclCommInitRank: mock error"):
        Communicator(library, SimulatedDevice().lane(), library.new_uid(), 0, 1)


def test_a_library_that_is_too_old_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    mock_nccl().mock_nccl_fail(b"old", 0)
    with pytest.raises(DeviceError, match=r"NCCL: version 2\.8\.4 is too old; update it to 2\.10 or later"):
        Nccl(mock_nccl())
    mock_nccl().mock_nccl_fail(b"", 0)
    for value, words in (
        ("0", "CAFFE_NCCL=0 says not to use it"),
        (__file__, "CAFFE_NCCL names no library: .*pip install 'caffe-sdk.nccl.'"),
    ):
        monkeypatch.setenv("CAFFE_NCCL", value)
        with pytest.raises(DeviceError, match=words):
            nccl.wanted()
    monkeypatch.setenv("CAFFE_NCCL", str(made("mock_nccl")))
    assert nccl.wanted().version == "2.23.4"
    assert nccl.wanted() is nccl.wanted()


def test_prototypes_are_those_of_nvidia(header: str) -> None:
    """Where the wheel is installed, or CAFFE_NCCL_HEADER names nccl.h."""
    found = dict(PROTOTYPE.findall(header))
    for name, types in nccl.PROTOTYPES.items():
        assert tuple(_type(each) for each in found[name].split(",") if each.strip()) == types, name
    values = {"ncclAvg": nccl.MEAN, "ncclInt8": nccl.BYTES, "ncclFloat32": nccl.FLOATS}
    for name, value in {**values, "ncclInProgress": nccl.IN_PROGRESS, "ncclSuccess": 0}.items():
        assert re.search(rf"\b{name}\s*=\s*{value}\s*,", header), name
    assert f"NCCL_UNIQUE_ID_BYTES {nccl.UID_BYTES}\n" in header


def _type(argument: str) -> Any:
    words = argument.replace("const ", "").replace("*", "* ").split()
    return C_TYPES["".join(words[:-1])]


@pytest.fixture
def header() -> str:
    paths = [Path(os.environ.get("CAFFE_NCCL_HEADER", "")), *_wheels()]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        pytest.skip("there is no nccl.h: pip install nvidia-nccl-cu12, or set CAFFE_NCCL_HEADER")
    return path.read_text(encoding="utf-8")


def _wheels() -> list[Path]:
    import importlib.util

    spec = importlib.util.find_spec("nvidia")
    return [Path(f) / "nccl" / "include" / "nccl.h" for f in spec.submodule_search_locations or ()] if spec else []
