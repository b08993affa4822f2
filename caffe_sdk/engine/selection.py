"""Which engine computes: CPU mode means what ``CAFFE_ENGINE`` names, ``cpu`` unless said otherwise."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from caffe_sdk.engine.naming import Name, parsed
from caffe_sdk.engine.per_thread import PerThread
from caffe_sdk.engine.reference import ReferenceEngine
from caffe_sdk.errors import ArgumentError, DeviceError


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


def _cuda(number: int = 0, precision: str = "") -> ReferenceEngine:
    from caffe_sdk.engine.cuda import devices

    return devices.made(number, precision)


def _simulated(number: int = 0, precision: str = "") -> ReferenceEngine:
    from caffe_sdk.engine.cuda import simulated

    return simulated.made(number, precision)


MAKERS: dict[str, Callable[[], ReferenceEngine]] = {
    "cpu": _cpu,
    "portable": _portable,
    "reference": _reference,
    "fake": _fake,
    "simulated": _simulated,
    "cuda": _cuda,
}
"""How to make each engine, by the name ``CAFFE_ENGINE`` gives it."""
NUMBERED: dict[str, Callable[[int, str], ReferenceEngine]] = {"cuda": _cuda, "simulated": _simulated}
"""Those of which there is one for each GPU and precision: ``cuda:1`` is of the second GPU, ``cuda:float16`` computes in
float16 on the first, ``cuda:1:float16`` on the second."""
SIMULATED_GPUS = 4

_made: dict[str, ReferenceEngine] = {}
_making = threading.RLock()
_chosen: PerThread[str | None] = PerThread(None)
_precision = PerThread("")


def names() -> list[str]:
    """The names of the engines that compute for users here (the fake and the simulated device are for tests)."""
    return sorted(set(MAKERS) - {"fake", "simulated"} - (set() if gpus() else {"cuda"}))


def gpus() -> int:
    """How many GPUs there are to choose from; the simulated ones where CAFFE_ENGINE names them."""
    if _gpu_kind() == "simulated":
        return SIMULATED_GPUS
    from caffe_sdk.engine.cuda import devices

    return devices.count()


def has_driver() -> bool:
    """Whether there is a driver of GPUs. It is not made ready: a process that is forked later could not use it then."""
    if _gpu_kind() == "simulated":
        return True
    from caffe_sdk.engine.cuda import libraries

    try:
        libraries.driver()
    except DeviceError:
        return False
    return True


def check_gpu(number: int) -> None:
    """DeviceError, with what there is, where there is no GPU of this number. None of them is touched."""
    from caffe_sdk.engine.cuda import device, devices

    if _gpu_kind() == "simulated":
        device.check_number(number, SIMULATED_GPUS)
    else:
        devices.check(number)


def choose_gpu(number: int) -> None:
    """Compute with a GPU from now on, which is first touched when something is computed.

    DeviceError where there is no such one, or what it needs is not installed; the engine then stays as it was.
    """
    check_gpu(number)
    if _gpu_kind() == "cuda":
        from caffe_sdk.engine.cuda import devices

        devices.prepare()
    _chosen.set(str(Name(_gpu_kind(), number, _precision.get())))


def choose_precision(precision: str) -> None:
    """What values between layers are stored in from now on where a GPU computes. ArgumentError for no such format."""
    from caffe_sdk.engine.cuda import formats

    formats.named(precision, "set_precision")
    _precision.set(precision)
    if on_gpu():
        said = parsed(chosen())
        if said is not None:
            _chosen.set(str(said._replace(precision=precision)))


def on_gpu() -> bool:
    """Whether a GPU computes."""
    return kind_of(chosen()) in NUMBERED


def select(name: str) -> ReferenceEngine:
    """The engine of a name, made on first use; see `NUMBERED`. ArgumentError for any other name."""
    said = parsed(name)
    if said is None or said.kind not in MAKERS or (said.kind not in NUMBERED and name != said.kind):
        raise ArgumentError("CAFFE_ENGINE", f"'{name}' is not an engine", f"use one of {', '.join(sorted(MAKERS))}")
    if name not in _made:
        with _making:  # one for all threads that ask first
            if name not in _made:
                _made[name] = NUMBERED[said.kind](*said[1:]) if said.kind in NUMBERED else MAKERS[said.kind]()
    return _made[name]


def chosen() -> str:
    """The name of the engine that this thread's nets compute with. As in Caffe a thread chooses for itself.

    A thread that has not chosen follows the main thread.
    """
    name = _chosen.get()
    return name if name is not None else os.environ.get("CAFFE_ENGINE", "cpu")


def current() -> ReferenceEngine:
    """The engine of that name."""
    return select(chosen())


def kind_of(name: str) -> str:
    """The name of an engine without the number of its GPU."""
    return name.partition(":")[0]


def choose(name: str | None) -> None:
    """Compute with the named engine from now on; None goes back to what ``CAFFE_ENGINE`` says."""
    if name is not None:
        select(name)
    _chosen.set(name)


@contextmanager
def use(name: str) -> Iterator[ReferenceEngine]:
    """Compute with the named engine inside a with block."""
    engine = select(name)
    with _chosen.held(name):
        yield engine


def _gpu_kind() -> str:
    return "simulated" if kind_of(os.environ.get("CAFFE_ENGINE", "")) == "simulated" else "cuda"
