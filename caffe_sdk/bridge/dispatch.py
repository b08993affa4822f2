"""The table of what a client may ask: a command's name, and the call on the session that answers it.

No logic of its own beyond MATLAB's order of axes: shapes are turned round, and sizes that do not fit are told in the
order and the words MatCaffe uses.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

from caffe_sdk import __version__, mode
from caffe_sdk.app.blobs import Values
from caffe_sdk.app.descriptions import Shape
from caffe_sdk.app.images import NO_RECORD
from caffe_sdk.app.session import Session, Training
from caffe_sdk.bridge import hdf5
from caffe_sdk.bridge.toolbox import Toolbox
from caffe_sdk.bridge.translate import blob_of, described, image_of, integer, name_of, path_of, shape_of
from caffe_sdk.bridge.values import Array
from caffe_sdk.errors import ArgumentError, CancelledError, CorruptFileError, FileError, ShapeError
from caffe_sdk.schema.wire import BlobArray, read_blob, write_blob
from caffe_sdk.solver.log import TrainingLog

Command = Callable[..., Any]
Cancelled = Callable[[], bool]
Log = Callable[[str], None]


class Dispatch:
    """The commands on one session.

    ``log`` prints text at the client; ``cancelled`` tells whether the request under way shall stop.
    """

    def __init__(self, session: Session, log: Log, cancelled: Cancelled) -> None:
        self.log, self.cancelled = log, cancelled
        self._use(session)

    def _use(self, session: Session) -> None:
        """Let nets and solvers live in a session from now on."""
        self.session = session
        self.toolbox = Toolbox(session, self.log, self.cancelled)
        self.table: dict[str, Command] = {
            "version": lambda: __version__,
            "chdir": _chdir,
            "connect": self._connect,
            "set_mode_cpu": mode.set_mode_cpu,
            "set_mode_gpu": mode.set_mode_gpu,
            "set_device": lambda device: mode.set_device(integer(device)),
            "net_create": self._net_create,
            "net_describe": lambda net: described(self.session, integer(net)),
            "net_forward": self._net_forward,
            "net_backward": self._net_backward,
            "net_prepare": self._net_prepare,
            "net_run": lambda net: _nothing(session.forward(integer(net))),
            "net_run_back": lambda net: _nothing(session.backward(integer(net))),
            "net_reshape": lambda net: session.reshape_net(integer(net)),
            "net_copy_from": lambda net, file: session.copy_from(integer(net), path_of(file)),
            "net_save": lambda net, file: session.save_net(integer(net), path_of(file)),
            "blob_shape": lambda net, blob: session.blob_shape(integer(net), blob_of(blob))[::-1],
            "blob_reshape": lambda net, blob, shape: session.reshape_blob(integer(net), blob_of(blob), shape_of(shape)),
            "blob_get": lambda net, blob, which: session.get_blob(integer(net), blob_of(blob), which),
            "blob_set": lambda net, blob, which, array: self._fill(net, [blob], which, [array]),
            "solver_create": self._solver_create,
            "solver_iter": lambda solver: session.solver_state(integer(solver)).iter,
            "solver_max_iter": lambda solver: session.solver_state(integer(solver)).max_iter,
            "solver_step": lambda solver, n: self._train(session.step(integer(solver), integer(n))),
            "solver_solve": lambda solver: self._train(session.solve(integer(solver))),
            "solver_restore": lambda solver, file: session.restore(integer(solver), path_of(file)),
            "solver_snapshot": lambda solver: session.snapshot(integer(solver)),
            "read_mean": _read_mean,
            "write_mean": _write_mean,
            "release": lambda net: self._release(integer(net)),
            "reset": self._reset,
            **hdf5.TABLE,
            **self.toolbox.table,
        }

    def __call__(self, request: Any) -> Any:
        """Answer a request, the list of a command's name and its arguments. Raises ArgumentError for any other."""
        if not (isinstance(request, list) and request and isinstance(request[0], str) and request[0] in self.table):
            raise ArgumentError("bridge", f"{name_of(request)} is not a command", f"commands: {', '.join(self.table)}")
        name, *arguments = request
        return self.table[name](*arguments)

    def _net_create(self, model: str, phase: str, weights: str) -> dict[str, Any]:
        net = self.session.create_net(path_of(model), phase=phase, weights=path_of(weights) or None)
        return described(self.session, net, owned=True)

    def _net_forward(self, net: Array, names: list[str], arrays: list[Array]) -> list[Array]:
        self._fill(net, names, "data", arrays)
        return list(self.session.forward(integer(net)).values())

    def _net_backward(self, net: Array, names: list[str], arrays: list[Array]) -> list[Array]:
        self._fill(net, names, "diff", arrays)
        return list(self.session.backward(integer(net)).values())

    def _net_prepare(self, net: Array, images: list[Array]) -> Array:
        """The net's input for images as caffe.io.load_image gives them: [width height channels], BGR from 0 to 255."""
        if self.session.preprocessing(integer(net)) is None:
            self.log(f"Warning: {NO_RECORD}\n")
        return self.session.prepare(integer(net), [image_of(each) for each in images])

    def _fill(self, net: Array, blobs: list[Any], which: str, arrays: list[Array]) -> None:
        """Overwrite blobs, all or none. Raises ShapeError with both sizes as MATLAB counts them."""
        references = [blob_of(blob) for blob in blobs]
        for reference, array in zip(references, arrays, strict=True):
            _check_size(array, self.session.blob_shape(integer(net), reference))
        values = [Values(reference, which, array) for reference, array in zip(references, arrays, strict=True)]
        self.session.set_blobs(integer(net), values)

    def _solver_create(self, file: str) -> dict[str, Any]:
        solver = self.session.create_solver(path_of(file))
        nets = self.session.solver_nets(solver)
        test_nets = [described(self.session, net) for net in nets.test_nets]
        return {"solver": solver, "net": described(self.session, nets.net), "test_nets": test_nets}

    def _train(self, training: Training) -> None:
        """Train, printing the solver's log at the client. Raises CancelledError when the client asks for the end."""
        training_log = TrainingLog()
        with closing(training):  # which stops it
            for event in training:
                for line in training_log.lines(event):
                    self.log(line + "\n")
                if self.cancelled():
                    raise CancelledError("solver", "training was stopped because you asked for it", "step() goes on")

    def _connect(self, address: str, security: dict[str, str]) -> tuple[int, int]:
        """Let nets and solvers live on a server, or with an empty address here; those made before are let go.

        ``security`` has those fields of `client.Security` that somebody asks for.
        """
        from caffe_sdk.bridge import remote  # which loads gRPC
        from caffe_sdk.client import Security

        session = remote.connect(address, Security(**security)) if address else Session()
        released = self._reset()
        if isinstance(self.session, remote.RemoteSession):
            self.session.close()
        self._use(session)
        return released

    def _release(self, handle: int) -> None:
        self.toolbox.forget(handle)
        self.session.release(handle)

    def _reset(self) -> tuple[int, int]:
        self.toolbox.forget_all()
        released = self.session.reset()
        return released.solvers, released.nets


def _check_size(array: Array, shape: Shape) -> None:
    """Refuse an array that is not of a blob's shape, in MatCaffe's words; trailing ones are MATLAB's to leave out."""
    wanted = _matlab_size(shape, 2)
    given = _matlab_size(array.shape, len(wanted))
    if given != wanted:
        sizes = f"input data/diff size: {_words(given)} vs target blob shape: {_words(wanted)}"
        raise ShapeError("", f"input data/diff size does not match target blob shape, {sizes}")


def _matlab_size(shape: Shape, axes: int) -> Shape:
    """What MATLAB's size() says of an array of this shape, with ones behind up to a number of axes."""
    return shape[::-1] + (1,) * (axes - len(shape))


def _words(size: Shape) -> str:
    """A size as MatCaffe prints it."""
    return "[ " + "".join(f"{n} " for n in size) + "]"


def _chdir(folder: str) -> None:
    """Relative paths, those written in prototxt files too, count from MATLAB's current folder."""
    try:
        os.chdir(folder)
    except OSError as error:
        what = f"{folder} cannot be the current folder: {error.strerror}"
        raise FileError("", what, "cd to a folder that exists") from None


def _nothing(_: Any) -> None:
    """For calls whose results stay in the net's blobs."""


def _read_mean(file: str) -> Array:
    try:
        return read_blob(path_of(file)).data
    except CorruptFileError as error:
        raise error.at("Could not read your mean file") from error


def _write_mean(mean: Array, file: str) -> None:
    channels = mean.reshape((1,) * (4 - mean.ndim) + mean.shape)
    write_blob(path_of(file), BlobArray(channels, legacy=True))
