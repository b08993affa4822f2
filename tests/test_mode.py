"""Modes choose the engine for the whole process; what is not there is an error with words."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import pytest

import caffe_sdk as caffe
from caffe_sdk import engine, mode
from caffe_sdk.app import tasks
from caffe_sdk.cli import main
from caffe_sdk.engine.cuda import devices
from caffe_sdk.engine.cuda.driver import Driver
from caffe_sdk.errors import ArgumentError, DeviceError
from tests.engine.cuda.mocked import fail, install, settings


def test_cpu_mode_is_what_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_ENGINE", "reference")
    mode.set_mode_cpu()
    assert engine.current().name == "reference"
    monkeypatch.delenv("CAFFE_ENGINE")
    assert engine.current().name == "cpu"


def in_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_thread_that_chooses_nothing_follows_the_main_one() -> None:
    seen: list[str] = []
    with engine.use("reference"):
        in_a_thread(lambda: seen.append(engine.current().name))
    assert seen == ["reference"]


def test_a_thread_chooses_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_ENGINE", "simulated")
    seen: list[str] = []

    def work() -> None:
        caffe.set_device(2)
        caffe.set_mode_gpu()
        seen.append(engine.chosen())
        with engine.use("reference"):
            seen.append(engine.chosen())
        seen.append(engine.chosen())
        caffe.set_mode_cpu()
        seen.append(engine.chosen())

    in_a_thread(work)
    assert seen == ["simulated:2", "reference", "simulated:2", "simulated"]
    caffe.set_mode_gpu()
    assert engine.chosen() == "simulated"
    with pytest.raises(DeviceError, match="GPU 4 was asked for, and there are 4 GPUs, 0 to 3"):
        caffe.set_device(4)
    mode.set_mode_cpu()


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two GPUs, on a driver that is none."""
    install(monkeypatch)
    yield
    mode.set_mode_cpu()


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Driver:
        raise DeviceError("GPU", "there is no NVIDIA driver here", "use set_mode_cpu()")

    monkeypatch.setattr(devices, "driver", missing)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_the_mode_stays() -> None:
    before = engine.current()
    with pytest.raises(DeviceError, match=r"^set_mode_gpu: GPU: there is no NVIDIA driver here; use set_mode_cpu"):
        caffe.set_mode_gpu()
    with pytest.raises(DeviceError, match=r"^set_device: GPU: there is no NVIDIA driver here"):
        caffe.set_device(1)
    with pytest.raises(ArgumentError, match="device -1 is not a whole number"):
        caffe.set_device(-1)
    with pytest.raises(DeviceError, match=r"^-gpu: GPU: there is no NVIDIA driver here"):
        mode.use_gpus("all")
    assert engine.current() is before
    assert engine.names() == ["cpu", "portable", "reference"]


@pytest.mark.usefixtures("gpus")
def test_a_gpu_is_chosen_by_its_number() -> None:
    assert engine.names() == ["cpu", "cuda", "portable", "reference"]
    caffe.set_device(1)
    assert engine.current().name == "cpu"
    caffe.set_mode_gpu()
    assert engine.current().name == "cuda:1"
    caffe.set_device(0)
    assert engine.current().name == "cuda"
    with pytest.raises(DeviceError, match=r"set_device: GPU: GPU 2 was asked for, and there are 2 GPUs, 0 to 1"):
        caffe.set_device(2)
    assert engine.current().name == "cuda"
    mode.use_gpus("1")
    assert engine.current().name == "cuda:1"
    for wrong, words in (
        ("0,1", "2 GPUs were asked for; this computes on one"),
        ("all", "2 GPUs"),
        ("1, 1", "'1, 1' names a GPU twice"),
        ("first", "'first' are no device numbers"),
    ):
        with pytest.raises(ArgumentError, match=words):
            mode.use_gpus(wrong)


@pytest.mark.usefixtures("gpus")
def test_what_there_is_to_compute_with(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Known without making an engine, on GPUs that others may be using."""
    monkeypatch.setenv("CAFFE_TF32", "1")
    monkeypatch.setenv("CAFFE_NCCL", "0")
    told = {fact.name: fact.value for fact in tasks.device_query()}
    for gpu in ("GPU 0", "GPU 1"):
        words = r"Mock GPU, compute capability 9\.0, 1 multiprocessors, [\d,]+ of 1,024 MiB free"
        assert re.fullmatch(words, told[gpu])
    assert told["Driver"] == "for CUDA 12.4 and before"
    assert re.fullmatch(r"1\d\.\d+", told["NVRTC"])
    assert told["NCCL"] == "none (CAFFE_NCCL=0 says not to use it)"
    assert {"cuBLAS", "cuDNN"} <= told.keys()
    assert told["Options"] == "CAFFE_TF32=1, CAFFE_NCCL=0"
    assert main(["device_query", "-gpu", "1"]) == 0
    said = capsys.readouterr().out
    assert "GPU 1:" in said
    assert "GPU 0:" not in said
    assert main(["device_query", "-gpu", "0,5"]) != 0
    assert "GPU 5 was asked for, and there are 2 GPUs" in capsys.readouterr().err
    settings(gpus=0)
    assert {fact.name: fact.value for fact in tasks.device_query()}["GPUs"] == "none: the NVIDIA driver finds no GPU"
    fail("cuMemGetInfo_v2", 999)
    settings(gpus=1)
    assert "cuMemGetInfo_v2" in {fact.name: fact.value for fact in tasks.device_query()}["GPUs"]


@pytest.mark.usefixtures("gpus")
def test_a_precision_is_chosen_before_or_after_the_mode() -> None:
    caffe.set_precision("bfloat16")
    assert engine.current().name == "cpu"
    caffe.set_mode_gpu()
    assert engine.current().name == "cuda:bfloat16"
    caffe.set_device(1)
    assert engine.current().name == "cuda:1:bfloat16"
    caffe.set_precision("float16")
    assert engine.current().name == "cuda:1:float16"
    with pytest.raises(ArgumentError, match="set_precision: 'int8' is no precision; give one of float32, float16, bf"):
        caffe.set_precision("int8")
    assert engine.current() is engine.select("cuda:1:float16")
    floats = engine.select("cuda:1")
    assert engine.current().place == floats.place
    assert engine.current().checks is floats.checks  # type: ignore[attr-defined]


@pytest.mark.usefixtures("gpus")
def test_bfloat16_needs_a_gpu_that_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "BFLOAT16_SINCE", 10)
    caffe.set_mode_gpu()
    caffe.set_precision("bfloat16")
    with pytest.raises(DeviceError, match=r"GPU 0 \(Mock GPU, compute capability 9.0\) does not multiply bfloat16"):
        engine.current()


def test_an_unknown_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_ENGINE", "abacus")
    with pytest.raises(
        ArgumentError, match="'abacus' is not an engine; use one of cpu, cuda, fake, portable, reference"
    ):
        engine.current()


def test_layer_types_are_listed() -> None:
    types = caffe.layer_type_list()
    assert types == sorted(types)
    assert {"Convolution", "Data", "SoftmaxWithLoss"} <= set(types)
