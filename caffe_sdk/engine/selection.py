"""Which engine computes: CPU mode means what ``CAFFE_ENGINE`` names, ``cpu`` unless said otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import ArgumentError


def _reference() -> ReferenceEngine:
    return ReferenceEngine()


def _cpu() -> ReferenceEngine:
    from caffe_sdk.engine.cpu import CpuEngine  # oneDNN is loaded when somebody computes, not at import

    return CpuEngine()


def _portable() -> ReferenceEngine:
    from caffe_sdk.engine.portable import PortableEngine

    return PortableEngine()


def _fake() -> ReferenceEngine:
    from caffe_sdk.engine.fake import FakeEngine

    return FakeEngine()


def _cuda(number: int = 0) -> ReferenceEngine:
    from caffe_sdk.engine.cuda import devices

    return devices.made(number)


def _simulated() -> ReferenceEngine:
    from caffe_sdk.engine.cuda import CudaEngine
    from caffe_sdk.engine.cuda.simulated import SimulatedDevice

    return CudaEngine(SimulatedDevice(), "simulated")


MAKERS: dict[str, Callable[[], ReferenceEngine]] = {
    "cpu": _cpu,
    "portable": _portable,
    "reference": _reference,
    "fake": _fake,
    "simulated": _simulated,
    "cuda": _cuda,
}
"""How to make each engine, by the name ``CAFFE_ENGINE`` gives it."""

_made: dict[str, ReferenceEngine] = {}
_chosen: ReferenceEngine | None = None


def names() -> list[str]:
    """The names of the engines that compute for users here (the fake and the simulated device are for tests)."""
    return sorted(set(MAKERS) - {"fake", "simulated"} - (set() if gpus() else {"cuda"}))


def gpus() -> int:
    """How many GPUs this computer has for the cuda engine."""
    from caffe_sdk.engine.cuda import devices

    return devices.count()


def choose_gpu(number: int) -> None:
    """Compute with a GPU from now on. DeviceError where there is no such one; the engine then stays as it was."""
    from caffe_sdk.engine.cuda import devices

    devices.check(number)
    choose("cuda" if number == 0 else f"cuda:{number}")


def select(name: str) -> ReferenceEngine:
    """The engine of a name, made on first use; ``cuda:1`` is of the second GPU. ArgumentError for any other name."""
    kind, _, number = name.partition(":")
    if kind == "cuda" and number.isdigit():
        return _cuda(int(number))
    if name not in MAKERS:
        raise ArgumentError("CAFFE_ENGINE", f"'{name}' is not an engine", f"use one of {', '.join(sorted(MAKERS))}")
    if name not in _made:
        _made.setdefault(name, MAKERS[name]())  # one for all threads that ask first
    return _made[name]


def current() -> ReferenceEngine:
    """The engine nets compute with. One for the whole process, as users expect of a mode, whatever the thread."""
    return _chosen if _chosen is not None else select(os.environ.get("CAFFE_ENGINE", "cpu"))


def choose(name: str | None) -> None:
    """Compute with the named engine from now on; None goes back to what ``CAFFE_ENGINE`` says."""
    global _chosen
    _chosen = select(name) if name is not None else None


@contextmanager
def use(name: str) -> Iterator[ReferenceEngine]:
    """Compute with the named engine inside a with block."""
    global _chosen
    before = _chosen
    _chosen = select(name)
    try:
        yield _chosen
    finally:
        _chosen = before
