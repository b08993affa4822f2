"""Nets and solvers held for somebody else: a door keeps handles, the session keeps the objects.

Every method may be called from any thread. Calls on one net, or on one solver and its nets, take turns in the order of
asking; training gives way between iterations. Arrays that come out are copies, and arrays that go in are copied.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from caffe_sdk.app import models
from caffe_sdk.app.blobs import BlobRef, Values, check_shape, copy_of, describe, find, layer_text, overwrite
from caffe_sdk.app.descriptions import NetDescription, Objects, Shape, SolverNets, SolverState
from caffe_sdk.app.images import prepare
from caffe_sdk.app.models import Model, Weights
from caffe_sdk.app.paths import ANYWHERE, Paths
from caffe_sdk.app.size import BYTES, Size, size_of_net, size_of_solver
from caffe_sdk.app.turns import Turns
from caffe_sdk.blob import structure
from caffe_sdk.engine.operation import Between
from caffe_sdk.errors import ArgumentError, CancelledError, HandleError, SolverError
from caffe_sdk.memory import Array
from caffe_sdk.net import Net
from caffe_sdk.preprocessing import Preprocessing
from caffe_sdk.solver import Solver
from caffe_sdk.solver.events import Event
from caffe_sdk.solver.snapshot import find_weights, latest, read_state

HANDLE_BITS = 52  # a handle is exact as a double (MATLAB, JavaScript), and not to be guessed

Look = Callable[[int, Net], None]

Training = Generator[Event, None, None]
"""What happens while a solver trains; closing it ends the training."""

Result = TypeVar("Result")


class Computing(Protocol):
    """Has some work done by whoever computes, and gives what the work gives or raises."""

    def __call__(self, work: Callable[[], Result], /) -> Result: ...


def by_caller(work: Callable[[], Result]) -> Result:
    """Computing in the thread that asks."""
    return work()


class _HeldNet(NamedTuple):
    """A net, whose turn it is, whether it goes with a solver, and how images become its input."""

    net: Net
    turns: Turns
    of_solver: bool = False
    record: Preprocessing | None = None


class _HeldSolver:
    """A solver, whose turn it is, its nets' handles, and what it is at."""

    def __init__(self, solver: Solver, turns: Turns, nets: SolverNets) -> None:
        self.solver, self.turns, self.nets = solver, turns, nets
        self.handles = (nets.net, *nets.test_nets)
        self.training = self.released = False


def void(kind: str, handle: int) -> HandleError:
    """The error of a handle there is no "net" or "solver" of."""
    return HandleError("", f"there is no {kind} {handle}", "it was released or never made: create it anew")


class Session:
    """Nets and solvers by handle. ``paths`` says which files may be opened for the session's user.

    What takes computing, and be it bringing numbers from an engine's layout to the host, is done by ``computing``.

    Methods that take a handle raise HandleError when it is void; all raise what `Net` and `Solver` do.
    """

    def __init__(self, paths: Paths = ANYWHERE, computing: Computing = by_caller) -> None:
        self.paths, self._computing = paths, computing
        self._table = threading.Lock()  # guards the dictionaries and `training`; never held while computing
        self._nets: dict[int, _HeldNet] = {}
        self._solvers: dict[int, _HeldSolver] = {}
        self._look: Look | None = None
        self._looked: dict[int, int] = {}  # by net: `structure` when it was looked at

    def watch(self, look: Look) -> None:
        """Have ``look(handle, net)`` called before a net runs in shapes it has not run in; what it raises refuses."""
        self._look = look

    # -- nets ----------------------------------------------------------------------------------------------------------

    def create_net(
        self,
        model: str | None = None,
        text: str | None = None,
        phase: str = "test",
        weights: Weights | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
        preprocessing: Preprocessing | None = None,
    ) -> int:
        """A new net of a prototxt file or of its text, in phase "train" or "test"; gives its handle.

        ``weights`` is the path of a caffemodel, or its bytes. ``preprocessing`` is the record of how images become the
        net's input, by default the one that lies beside the files.
        """
        record = preprocessing or models.find_record(weights, model, self.paths)
        net = models.build_net(Model(model, text), phase, weights, level, stages, self.paths)
        return self._hold_net(_HeldNet(net, Turns(), record=record))

    def preprocessing(self, net: int) -> Preprocessing | None:
        """The record of a net, if it has one."""
        return self._held(net).record

    def prepare(self, net: int, images: Sequence[Array]) -> Array:
        """Values of the net's first input for images (height, width, channels), RGB from 0 to 1: `images.prepare`."""
        with self._net(net) as held:
            return prepare(held, self._held(net).record, images)

    def predict(
        self, net: int, images: Sequence[Array], blobs: Sequence[str] = (), between: Between | None = None
    ) -> dict[str, Array]:
        """The outputs, and the ``blobs`` asked for, of any number of images, prepared as `prepare` does.

        ``between`` is as for `forward`.
        """
        with self._net(net) as held:
            inputs = prepare(held, self._held(net).record, images)
            _check_blobs(held, blobs)
            with self._ended_by(held, between):
                return self._run(net, held, lambda: held.forward_all(list(blobs), **{held.inputs[0]: inputs}))

    def describe_net(self, net: int) -> NetDescription:
        """Layers, blobs and shapes of a net as it stands."""
        with self._net(net) as held:
            return describe(held)

    def get_blob(self, net: int, blob: BlobRef, which: str = "data") -> Array:
        """A copy of a blob's values ("data") or gradients ("diff"), in its shape."""
        return self.get_blobs(net, [blob], which)[0]

    def get_blobs(self, net: int, blobs: Iterable[BlobRef], which: str = "data") -> list[Array]:
        """Copies of several blobs' values or gradients as of one moment."""
        with self._net(net) as held:
            found = [find(held, blob) for blob in blobs]
            return self._computing(lambda: [copy_of(blob, which) for blob in found])

    def set_blob(self, net: int, blob: BlobRef, which: str, values: Array) -> None:
        """Overwrite a blob's values ("data") or gradients ("diff").

        Shapes must agree but for leading axes of 1. Raises ShapeError when they do not, ArgumentError for values that
        are no numbers.
        """
        self.set_blobs(net, [Values(blob, which, values)])

    def set_blobs(self, net: int, values: Iterable[Values]) -> None:
        """Overwrite several blobs, all or none."""
        with self._net(net) as held:
            overwrite(held, values)

    def check_fits(self, net: int, blob: BlobRef, shape: Sequence[int]) -> None:
        """Raise what `set_blob` would for values of another shape than a blob has."""
        with self._net(net) as held:
            check_shape(find(held, blob), tuple(shape))

    def blobs_size(self, net: int, blobs: Iterable[BlobRef]) -> int:
        """Bytes of the values of some blobs."""
        with self._net(net) as held:
            return sum(find(held, blob).count * BYTES for blob in blobs)

    def layer_texts(self, net: int) -> list[str]:
        """The prototxt of each layer, in the order of `describe_net`."""
        with self._net(net) as held:
            return [layer_text(layer) for layer in held.layers]

    def size(self, handle: int) -> Size:
        """How many bytes a net or solver takes as its shapes stand."""
        with self._table:
            solver = self._solvers.get(handle)
        if solver is not None:
            with solver.turns:
                return size_of_solver(solver.solver)
        with self._net(handle) as held:
            return size_of_net(held)

    def blob_shape(self, net: int, blob: BlobRef) -> Shape:
        """The shape of a blob."""
        with self._net(net) as held:
            return find(held, blob).shape

    def reshape_blob(self, net: int, blob: BlobRef, shape: Sequence[int]) -> None:
        """Give a blob another shape; `reshape_net` or `forward` carries it through the net."""
        with self._net(net) as held:
            find(held, blob).reshape(*shape)

    def reshape_net(self, net: int) -> None:
        """Work out all shapes anew from those of the inputs."""
        with self._net(net) as held:
            held.reshape()

    def forward(
        self,
        net: int,
        inputs: Mapping[str, Array] | None = None,
        start: str | None = None,
        end: str | None = None,
        blobs: Sequence[str] = (),
        between: Between | None = None,
    ) -> dict[str, Array]:
        """Set the input blobs, run layers ``start`` to ``end``, give the outputs and the ``blobs`` asked for.

        Without ``inputs`` the net computes with what its blobs hold. The outputs are those of the net, or the tops of
        layer ``end`` where one is named. ``between`` is called before the run and between its layers: what it raises
        ends it (`Net.between_steps`).
        """
        _check_names("forward", inputs)
        with self._net(net) as held, self._ended_by(held, between):
            return self._run(net, held, lambda: _copies(held.forward(list(blobs), start, end, **(inputs or {}))))

    def backward(
        self,
        net: int,
        diffs: Mapping[str, Array] | None = None,
        start: str | None = None,
        end: str | None = None,
        blobs: Sequence[str] = (),
        between: Between | None = None,
    ) -> dict[str, Array]:
        """Set the outputs' gradients, run layers ``start`` back to ``end``, give the gradients of the inputs, or of the
        bottoms of layer ``end`` where one is named, and of the ``blobs`` asked for. ``between`` is as for `forward`.
        """
        _check_names("backward", diffs)
        with self._net(net) as held, self._ended_by(held, between):
            return self._run(net, held, lambda: _copies(held.backward(list(blobs), start, end, **(diffs or {}))))

    def copy_from(self, net: int, weights: Weights) -> list[str]:
        """Load a caffemodel, a path or its bytes, into layers of the same names; gives those names."""
        with self._net(net) as held:
            return models.load_weights(held, weights, self.paths)

    def share_weights(self, net: int, source: int) -> None:
        """Let the parameters of a net be those of another one, in layers of the same name."""
        first, second = sorted([net, source])  # in one order for all, so that nobody waits for each other
        if first == second:
            return
        with self._net(first) as one, self._net(second) as other:
            (one if first == net else other).share_with(other if first == net else one)

    def clear_param_diffs(self, net: int) -> None:
        """Set the gradients of all parameters to zero."""
        with self._net(net) as held:
            held.clear_param_diffs()

    def net_text(self, net: int) -> str:
        """The prototxt text of a net, as it was given and brought up to date."""
        with self._net(net) as held:
            return held.prototxt

    def save_net(self, net: int, path: str) -> None:
        """Write the net's weights to a caffemodel."""
        target = self.paths.resolve_new(path)
        with self._net(net) as held:
            self._computing(held.to_weights)
            held.save(target)

    def net_bytes(self, net: int) -> bytes:
        """The net's weights as the bytes of a caffemodel."""
        with self._net(net) as held:
            self._computing(held.to_weights)
            return models.weights_bytes(held)

    # -- solvers -------------------------------------------------------------------------------------------------------

    def create_solver(self, path: str | None = None, text: str | None = None) -> int:
        """A new solver of a prototxt file or of its text; gives its handle."""
        solver = models.build_solver(Model(path, text), self.paths)
        turns = Turns()
        net = self._hold_net(_HeldNet(solver.net, turns, of_solver=True))
        test_nets = tuple(self._hold_net(_HeldNet(test_net, turns, of_solver=True)) for test_net in solver.test_nets)
        with self._table:
            handle = self._new_handle()
            self._solvers[handle] = _HeldSolver(solver, turns, SolverNets(net, test_nets))
        return handle

    def solver_nets(self, solver: int) -> SolverNets:
        """Handles of the solver's training net and test nets."""
        return self._solver(solver).nets

    def solver_state(self, solver: int) -> SolverState:
        """Iterations done and to do, and whether training is under way."""
        held = self._solver(solver)
        with held.turns:
            return SolverState(held.solver.iter, held.solver.param.max_iter, held.training)

    def step(self, solver: int, iterations: int) -> Training:
        """Train for so many iterations more, giving the solver's events as they happen.

        Training goes on as events are taken. Raises SolverError when the solver is training already.
        """
        return self._train(solver, self._solver(solver), iterations)

    def solve(self, solver: int) -> Training:
        """Train to ``max_iter``, snapshot and test as the solver says, giving events as `step` does."""
        return self._train(solver, self._solver(solver), None)

    def stop(self, solver: int) -> None:
        """Ask a training solver to stop after the iteration it is at. Nothing happens when it is not training."""
        held = self._solver(solver)
        if held.training:
            held.solver.request_stop()

    def restore(self, solver: int, path: str) -> None:
        """Go on from a solverstate."""
        held = self._solver(solver)
        with held.turns:
            self._restore(held, self.paths.resolve(path))

    def resume(self, solver: int) -> str:
        """Go on from the latest snapshot that the solver's ``snapshot_prefix`` names; gives its path, "" for none."""
        held = self._solver(solver)
        self.paths.resolve(held.solver.param.snapshot_prefix)
        path = latest(held.solver.param)
        if path:
            with held.turns:
                self._restore(held, self.paths.resolve(path))
        return path

    def _restore(self, held: _HeldSolver, path: str) -> None:
        if self.paths.confine:
            self.paths.resolve(find_weights(path, read_state(path)))
        held.solver.restore(path)

    def snapshot(self, solver: int) -> str:
        """Write a snapshot where the solver's ``snapshot_prefix`` says; gives the path of the solverstate."""
        held = self._solver(solver)
        self.paths.resolve(held.solver.param.snapshot_prefix)
        with held.turns:
            return self._computing(held.solver.snapshot)

    # -- letting go ----------------------------------------------------------------------------------------------------

    def release(self, handle: int) -> None:
        """Let an object go. A handle that is void already, or of a net that goes with its solver, is left alone."""
        with self._table:
            solver = self._solvers.pop(handle, None)
            net = self._nets.get(handle)
            if solver is not None:
                for owned in solver.handles:
                    del self._nets[owned]
                    self._looked.pop(owned, None)
            elif net is not None and not net.of_solver:
                del self._nets[handle]
                self._looked.pop(handle, None)
        if solver is not None:
            solver.released = True
            if solver.training:
                solver.solver.request_stop()
            with solver.turns:
                solver.solver.close()
        elif net is not None and not net.of_solver:
            with net.turns:
                net.net.close()

    def reset(self) -> Objects:
        """Let every object go: all handles are void from now on. Gives how many there were."""
        with self._table:
            solvers = list(self._solvers)
            nets = [handle for handle, held in self._nets.items() if not held.of_solver]
        for handle in (*solvers, *nets):
            self.release(handle)
        return Objects(len(solvers), len(nets))

    def objects(self) -> Objects:
        """How many objects the session holds."""
        with self._table:
            return Objects(len(self._solvers), sum(not held.of_solver for held in self._nets.values()))

    # -- inside --------------------------------------------------------------------------------------------------------

    def _new_handle(self) -> int:
        while True:
            handle = secrets.randbits(HANDLE_BITS)
            if handle and handle not in self._nets and handle not in self._solvers:
                return handle

    def _hold_net(self, held: _HeldNet) -> int:
        with self._table:
            handle = self._new_handle()
            self._nets[handle] = held
        return handle

    def _held(self, handle: int) -> _HeldNet:
        with self._table:
            held = self._nets.get(handle)
        if held is None:
            raise void("net", handle)
        return held

    @contextmanager
    def _net(self, handle: int) -> Iterator[Net]:
        """The net of a handle, for as long as it is the caller's turn."""
        held = self._held(handle)
        with held.turns:
            yield held.net

    @contextmanager
    def _ended_by(self, net: Net, between: Between | None) -> Iterator[None]:
        """Let ``between`` end the net's runs. Takes the net's turn."""
        net.between_steps = between
        try:
            yield
        finally:
            net.between_steps = None

    def _run(self, handle: int, net: Net, work: Callable[[], Result]) -> Result:
        """Have a net run by whoever computes. Takes the net's turn."""

        def looked_at() -> Result:
            if net.between_steps is not None:  # so much may have happened while this waited
                net.between_steps()
            self._look_at(handle, net)
            return work()

        return self._computing(looked_at)

    def _look_at(self, handle: int, net: Net) -> None:
        """Have somebody look at a net whose shapes may have changed, carried through it. Takes the net's turn."""
        if self._look is not None and self._looked.get(handle) != structure():
            net.reshape()
            self._look(handle, net)
            self._looked[handle] = structure()

    def _solver(self, handle: int) -> _HeldSolver:
        with self._table:
            held = self._solvers.get(handle)
        if held is None:
            raise void("solver", handle)
        return held

    def _train(self, handle: int, held: _HeldSolver, iterations: int | None) -> Training:
        """Take a turn for each event, so that other calls on the solver and its nets come in between."""
        events = held.solver.events(iterations)
        with self._table:
            if held.training:
                raise SolverError(f"solver {handle}", "is training already", "wait for its end, or stop it")
            held.training = True
        try:
            while True:
                with held.turns:
                    if held.released:
                        raise CancelledError(f"solver {handle}", "was released while it trained")
                    event = self._computing(lambda: self._next(held, events))
                if event is None:
                    return
                yield event
        finally:
            events.close()
            held.training = False

    def _next(self, held: _HeldSolver, events: Training) -> Event | None:
        """What happens next in a training; None at its end."""
        for handle, net in zip(held.handles, (held.solver.net, *held.solver.test_nets), strict=True):
            self._look_at(handle, net)
        return next(events, None)


def _copies(views: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.array(view) for name, view in views.items()}


def _check_blobs(net: Net, blobs: Sequence[str]) -> None:
    for name in blobs:
        find(net, name)


def _check_names(call: str, values: Mapping[str, Array] | None) -> None:
    """`Net.forward` takes blobs as keyword arguments; a few names are taken."""
    for name in {"self", "blobs", "diffs", "start", "end"} & set(values or ()):
        raise ArgumentError(call, f"'{name}' has another meaning here", "set the blob by itself before")
