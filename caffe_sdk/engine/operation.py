"""Operations: what an engine can compute, how calls of them are recorded, and what is replayed.

An operation is a method of the reference engine marked with `operation`, which says which of its tensors are written.
Layers call operations on whatever they are given: an engine (computed at once) or a `Recorder` (written down). A
recorded list of `Call` is what `Engine.compile` turns into a `Program`.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from caffe_sdk.errors import CaffeError, DeviceError
from caffe_sdk.memory import Place, SyncedMemory, Tensor

Method = TypeVar("Method", bound=Callable[..., None])


@dataclass(frozen=True)
class Operation:
    """Name and parameters of an operation. Tensors are read unless named in ``writes`` or ``updates``."""

    name: str
    signature: inspect.Signature
    writes: frozenset[str]
    """Tensors overwritten whole, whatever they held."""
    updates: frozenset[str]
    """Tensors changed: read, then written, as gradients of parameters that add up."""

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any], where: str = "") -> Call:
        """The call with these arguments, defaults filled in. TypeError if they do not fit, as for any function."""
        bound = self.signature.bind(None, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        del arguments["self"]
        return Call(self, arguments, where)


OPERATIONS: dict[str, Operation] = {}
"""Every operation by name."""


def operation(writes: str = "", updates: str = "") -> Callable[[Method], Method]:
    """Mark a method of the reference engine as an operation; ``writes`` and ``updates`` name parameters.

    As in Caffe, what overflows or is undefined gives infinity or NaN without a word. DeviceError where memory ends.
    """

    def mark(method: Method) -> Method:
        signature = inspect.signature(method)
        name = method.__name__
        OPERATIONS[name] = Operation(name, signature, frozenset(writes.split()), frozenset(updates.split()))
        return quiet(method)

    return mark


def quiet(method: Method) -> Method:
    """An operation's method that says nothing of infinity and NaN, and raises DeviceError where memory ends.

    For other engines' methods too, where they compute with NumPy.
    """

    @functools.wraps(method)
    def computed(*args: Any, **kwargs: Any) -> None:
        try:
            with np.errstate(all="ignore"):
                method(*args, **kwargs)
        except MemoryError as error:
            what = f"{method.__name__} needs more memory than there is: {error}"
            raise DeviceError("", what, "use a smaller batch or input") from None

    return cast(Method, computed)


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """One operation with its arguments. ``where`` names the layer that asked for it in errors."""

    operation: Operation
    arguments: dict[str, Any]
    where: str = ""

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name

    def __getitem__(self, parameter: str) -> Any:
        return self.arguments[parameter]

    def reads(self) -> list[Tensor]:
        """Tensors whose numbers the call needs, those it updates included."""
        return [t for name, t in self._tensors() if name not in self.operation.writes]

    def writes(self) -> list[Tensor]:
        """Tensors whose numbers the call makes, those it updates included."""
        changed = self.operation.writes | self.operation.updates
        return [t for name, t in self._tensors() if name in changed]

    def overwrites(self) -> list[Tensor]:
        """Tensors overwritten whole, whatever they held."""
        return [t for name, t in self._tensors() if name in self.operation.writes]

    def on(self, stand_ins: Mapping[SyncedMemory, SyncedMemory]) -> Call:
        """The same call on other memories."""
        arguments = {name: _on(stand_ins, value) for name, value in self.arguments.items()}
        return Call(self.operation, arguments, self.where)

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, value in self.arguments.items():
            if isinstance(value, Tensor):
                yield name, value
            elif isinstance(value, (list, tuple)):
                yield from ((name, item) for item in value if isinstance(item, Tensor))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"


def _on(stand_ins: Mapping[SyncedMemory, SyncedMemory], value: Any) -> Any:
    if isinstance(value, Tensor):
        stand_in = stand_ins.get(value.memory)
        return value if stand_in is None else Tensor(stand_in, value.shape)
    return [_on(stand_ins, item) for item in value] if isinstance(value, (list, tuple)) else value


class Recorder:
    """Stands in for an engine and writes calls down instead of computing them, each with the layer set in ``where``."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.where = ""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in OPERATIONS:
            raise AttributeError(f"'{name}' is not an operation")

        def record(*args: Any, **kwargs: Any) -> None:
            self.calls.append(OPERATIONS[name].bind(args, kwargs, self.where))

        return record


Between = Callable[[], None]
"""Called before each step of a run; what it raises ends the run there."""

Clock = Callable[[], float]
"""What tells seconds: the wall's clock, or the calling thread's, which stands while others compute."""


@dataclass(frozen=True, eq=False)
class StepName:
    """What a step of a program is: by which means it computes, and the calls it is part of."""

    means: str
    calls: tuple[Call, ...]


Needs = dict[tuple[SyncedMemory, Place], int]
"""Buffers of memories, by the place they are at, and their bytes."""


class Program(Protocol):
    """Calls made ready to be replayed any number of times. Nothing is allocated before the first time."""

    def run(self, between: Between | None = None) -> None:
        """Compute everything once, in order, with ``between`` before each step.

        A run that was ended has put new numbers in some of the memories it writes; the next run makes all of them anew.
        """

    def steps(self) -> list[StepName]:
        """What a run does, one step after the other."""

    def timed(self, clock: Clock = time.perf_counter) -> list[float]:
        """Compute everything once; the seconds that each step took by a clock."""

    @property
    def lost(self) -> Set[SyncedMemory]:
        """Memories whose numbers are nowhere after a run. Who wants a program that loses any says how they are had
        again, by `SyncedMemory.lose` after each run.
        """

    @property
    def nbytes(self) -> int:
        """Bytes it needs for itself: scratch memory, and room for what it loses."""

    @property
    def scratch(self) -> int:
        """Bytes it would need for itself if it lost nothing."""

    def needs(self) -> Needs:
        """The buffers of memories it works on."""

    def allocated(self) -> int:
        """Bytes it has for itself now."""

    def release(self) -> None:
        """Give back what it has for itself and let go of memories' buffers, until the next run."""


class HasPlace(Protocol):
    """An engine as far as programs need to know it."""

    place: Place


class EagerProgram:
    """The simplest program: the engine's own methods, called one after the other."""

    lost: Set[SyncedMemory] = frozenset()
    nbytes = scratch = 0

    def __init__(self, engine: HasPlace, calls: Sequence[Call]) -> None:
        self._methods = [(getattr(engine, call.name), call.arguments, call.where) for call in calls]
        self._place, self._calls = engine.place, calls

    def run(self, between: Between | None = None) -> None:
        """Call everything once, in order. What is wrong with numbers (a label that is no class) names the layer."""
        for method, arguments, where in self._methods:
            if between is not None:
                between()
            _call(method, arguments, where)

    def steps(self) -> list[StepName]:
        """Every call by itself."""
        return [StepName(call.name, (call,)) for call in self._calls]

    def timed(self, clock: Clock = time.perf_counter) -> list[float]:
        """As `run`; the seconds that each call took."""
        seconds = []
        for method, arguments, where in self._methods:
            began = clock()
            _call(method, arguments, where)
            seconds.append(clock() - began)
        return seconds

    def needs(self) -> Needs:
        """Every tensor's buffer where the engine computes."""
        memories = (t.memory for call in self._calls for t in (*call.reads(), *call.writes()))
        return {(memory, self._place): memory.nbytes(self._place) for memory in memories}

    def allocated(self) -> int:
        """Nothing."""
        return 0

    def release(self) -> None:
        """There is nothing to give back."""


def _call(method: Callable[..., None], arguments: Mapping[str, Any], where: str) -> None:
    try:
        method(**arguments)
    except CaffeError as error:
        raise (error.at(where) if where else error) from None
